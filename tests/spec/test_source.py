"""JSON with places, held against the standard decoder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resgen.errors import ResgenError, SpecError
from resgen.spec.source import (
    Json,
    Problems,
    from_plain,
    parse,
    plain,
    pointer_of,
    read,
)

EXAMPLE = """{"resgen": 1, "name": "résumé \\u00e9\\n", "input": [3, 224, 224.0],
 "defaults": {"ratio": 0.25, "width": 1e2, "none": null, "ok": [true, false]},
 "names": {"a/b": {"~": [[], {}, -1.5e-3]}}}"""


def problems_of(text: bytes | str) -> tuple[Json | None, list[Any]]:
    problems = Problems()
    return parse(text, "f.json", problems), problems.items


def values(json_: Json) -> Iterator[Json]:
    yield json_
    if isinstance(json_.value, dict):
        for member in json_.value.values():
            yield from values(member)
    elif isinstance(json_.value, list):
        for item in json_.value:
            yield from values(item)


def same(ours: Any, theirs: Any) -> bool:
    """Equal, where a whole double of theirs may be an integer of ours."""
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(
            same(ours[key], theirs[key]) for key in theirs
        )
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float):
        return not isinstance(ours, bool) and float(ours) == theirs
    return type(ours) is type(theirs) and ours == theirs


def refuse(*_: object) -> Any:
    raise ValueError


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        refuse()
    return dict(pairs)


def whole(text: str) -> int:
    value = int(text)
    if len(text) > 40 or Fraction(repr(float(value))) != value:
        refuse()
    return value


def real(text: str) -> float:
    value = float(text)
    zero = Fraction(re.split("[eE]", text)[0]) == 0
    if len(text) > 40 or abs(value) == float("inf") or (value == 0 and not zero):
        refuse()
    return value


def standard(text: str) -> Any:
    """What Python's decoder reads, made as strict as the language is."""
    value = json.loads(
        text,
        parse_int=whole,
        parse_float=real,
        parse_constant=refuse,
        object_pairs_hook=members,
    )
    json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    return value


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(anything, st.sampled_from([None, 1, "\t"]), st.booleans())
@pytest.mark.slow
def test_reads_what_the_standard_decoder_reads(
    value: Any, indent: int | str | None, ascii_: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    for data in (text, text.encode(), b"\xef\xbb\xbf" + text.encode()):
        ours, found = problems_of(data)
        assert not found
        assert ours is not None
        assert same(plain(ours), json.loads(text))


@given(anything.filter(lambda value: value != ""))
@pytest.mark.slow
def test_every_place_holds_its_value(value: Any) -> None:
    text = json.dumps(value, indent=1)
    ours, _ = problems_of(text)
    assert ours is not None
    lines = text.split("\n")
    for each in values(ours):
        assert same(plain(each), json.loads(text[each.start : each.end]))
        at: Any = json.loads(text)
        parts = [
            part.replace("~1", "/").replace("~0", "~")
            for part in each.pointer.split("/")[1:]
        ]
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at[part]
        assert same(plain(each), at)
        if each.key is not None:
            assert json.loads(text[slice(*each.key)]) == parts[-1]
            key = each.place(key=True)
            quoted = lines[key.line - 1][key.column - 1 :][: key.length]
            assert json.loads(quoted) == parts[-1]
        place = each.place()
        assert place.text == lines[place.line - 1] or len(lines[place.line - 1]) > 1000
        shown = lines[place.line - 1][place.column - 1 :][: place.length]
        assert text[each.start : each.end].split("\n")[0] == shown


def agrees(text: str) -> None:
    """A text has problems exactly if the standard decoder refuses it."""
    ours, found = problems_of(text)
    try:
        theirs = standard(text)
    except (ValueError, RecursionError):
        assert found, text
    else:
        assert not found, (text, found)
        assert ours is not None
        assert same(plain(ours), theirs)
    if ours is None:
        assert found
    for problem in found:
        assert 1 <= problem.place.line <= text.count("\n") + text.count("\r") + 1
        assert problem.message


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(EXAMPLE)),
            st.integers(0, 2),
            st.sampled_from(
                [*"{}[],:\"'\\/#*-+.0123456789eEuxtn \n\r\t\x00é", "\ud83d"]
            )
            | st.text(max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.slow
def test_a_mutated_spec_is_refused_as_the_standard_decoder_does(
    edits: list[tuple[int, int, str]],
) -> None:
    text = EXAMPLE
    for at, removed, inserted in edits:
        text = text[:at] + inserted + text[at + removed :]
    agrees(text)


@given(st.text(alphabet="{}[],:\"'\\ntrue-+.0129eE_/*#N \n", max_size=30))
def test_short_nonsense_is_refused_as_the_standard_decoder_does(text: str) -> None:
    agrees(text)


@given(st.binary(max_size=200))
@pytest.mark.slow
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    ours, found = problems_of(data)
    try:
        standard(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        assert found
    else:
        assert ours is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1),
        ("1e2", 100),
        ("-0", 0),
        ("0.1", Fraction(1, 10)),
        ("0.25", Fraction(1, 4)),
        ("1E-2", Fraction(1, 100)),
        ("0.1000000000000000055511151231257827", Fraction(1, 10)),
        ("9007199254740992", 2**53),
    ],
)
def test_numbers_are_exact(text: str, value: int | Fraction) -> None:
    ours, found = problems_of(text)
    assert not found
    assert ours is not None
    assert (type(ours.value), ours.value) == (type(value), value)


#: The text, the code, line and column of its problems, a part of the first one's
#: message or hint, and what is read all the same.
MISTAKES: dict[str, tuple[Any, ...]] = {
    "duplicate": ('{"a": 1,\n "a": 2}', [("RG002", 2, 2)], "line 1", {"a": 1}),
    "trailing comma": ("[1,\n 2 ,\n]", [("RG001", 2, 4)], "remove it", [1, 2]),
    "comment": ("[1 // one\n]", [("RG001", 1, 4)], '"doc"', [1]),
    "block comment": ('{/* a\n */"a":/**/1}', [("RG001", 1, 2), ("RG001", 2, 8)],
                      "comments", {"a": 1}),
    "hash comment": ("# a\n[]", [("RG001", 1, 1)], "comments", []),
    "single quotes": ("['it\\'s']", [("RG001", 1, 2)], 'write "it\'s"', ["it's"]),
    "bare key": ("{a: 1}", [("RG001", 1, 2)], 'write "a"', {"a": 1}),
    "bare word": ("[relu]", [("RG001", 1, 2)], 'write "relu"', ["relu"]),
    "Python words": ("[True,None]", [("RG001", 1, 2), ("RG001", 1, 7)],
                     "write true", [True, None]),
    "missing comma": ('{"a": 1\n "b": 2}', [("RG001", 1, 8)], 'write ","',
                      {"a": 1, "b": 2}),
    "expression": ("[1/4]", [("RG001", 1, 2)], 'write "1/4"', ["1/4"]),
    "leading zero": ("[007]", [("RG005", 1, 2)], "write 7", [7]),
    "plus": ("[+5]", [("RG005", 1, 2)], "write 5", [5]),
    "no leading digit": ("[.5]", [("RG005", 1, 2)], "write 0.5", [0.5]),
    "hexadecimal": ("[0x10]", [("RG005", 1, 2)], "write 16", [16]),
    "raw tab": ('["a\tb"]', [("RG001", 1, 4)], "write \\t", ["a\tb"]),
    "bad escape": ('["a\\d"]', [("RG001", 1, 4)], "write \\\\d", ["ad"]),
    "short escape": ('["\\u12"]', [("RG001", 1, 3)], "four hex", ["u12"]),
    "surrogate": ('["\\ud800"]', [("RG001", 1, 3)], "half of a", ["\ufffd"]),
    "NaN": ("[NaN, -Infinity, 1,]",
            [("RG005", 1, 2), ("RG005", 1, 7), ("RG001", 1, 19)], "finite", None),
    "range": ("[1e999, 1e-999]", [("RG005", 1, 2), ("RG005", 1, 9)], "large", None),
    "long number": (f"[0.{'1' * 50}]", [("RG005", 1, 2)], "40 characters", None),
    "inexact integer": ("[9007199254740993]", [("RG005", 1, 2)],
                        "write 9007199254740992", [2**53]),
    "open string": ('{"a": "b\n}', [("RG001", 1, 7)], "does not end", None),
    "open bracket": ('{"a": [1', [("RG001", 1, 7)], "never closed", None),
    "wrong bracket": ("[\n1}", [("RG001", 2, 2)], 'the "[" of line 1', None),
    "no value": ('{"a":}', [("RG001", 1, 6)], "expected a value", None),
    "no colon": ('{"a" 1}', [("RG001", 1, 2)], '":"', None),
    "more text": ("{}\n{}", [("RG001", 2, 1)], "more text", None),
    "empty": (" \n", [("RG006", 1, 1)], "empty", None),
    "UTF-16": ("{}".encode("utf-16"), [("RG003", 1, 1)], "UTF-16", None),
    "latin-1": ('{\r\n"é"'.encode("latin-1"), [("RG003", 2, 2)], "0xe9", None),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_placed_and_mended(name: str) -> None:
    text, where, said, value = MISTAKES[name]
    ours, found = problems_of(text)
    assert [(p.code, p.place.line, p.place.column) for p in found] == where
    assert said in f"{found[0].message} {found[0].hint}"
    assert (None if ours is None else plain(ours)) == value


def test_one_run_shows_all_mistakes() -> None:
    text = '{\'a\': 1, // one\n "b": .5,\n "b": [True,],\n c: 1}'
    ours, found = problems_of(text)
    assert [p.place.line for p in found] == [1, 1, 2, 3, 3, 3, 4]
    assert ours is not None
    assert plain(ours) == {"a": 1, "b": 0.5, "c": 1}


def test_lines_end_as_editors_end_them() -> None:
    for end in ("\n", "\r\n", "\r"):
        _, found = problems_of(f'{{{end}"a": 1,{end}  "a": 2{end}}}')
        (problem,) = found
        at = problem.place
        assert (at.line, at.column, at.length, at.text) == (3, 3, 3, '  "a": 2')
        assert at.pointer == "/a"


@pytest.mark.parametrize("opener", ["[", '{"a":', "[{'a':"])
def test_nesting_ends_before_recursion_does(opener: str) -> None:
    _, found = problems_of(opener * 100_000)
    assert found[-1].code == "RG004"
    ours, found = problems_of("[" * 64 + "]" * 64)
    assert ours is not None
    assert not found


@pytest.mark.parametrize(
    "text",
    ["," * 10**6, "[" + "1 " * 10**6, '"' + "\\" * 10**6, "/*" * 10**6, "0" * 10**6],
)
def test_a_large_wrong_file_is_refused_with_few_words(text: str) -> None:
    _, found = problems_of(text)
    assert 0 < len(found) <= 50
    assert sum(len(str(p)) + len(p.place.text) for p in found) < 100_000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (4 * 2**20 + 1))
    link = tmp_path / "link.json"
    link.symlink_to("nowhere.json")
    cases = {
        tmp_path: "directory",
        tmp_path / "absent.json": "no such file",
        large / "x": "cannot be read",
        link: "it is a link to nowhere.json, which is not there",
        large: "4 MiB",
        Path("a\0b"): "cannot be read",
    }
    for path, said in cases.items():
        problems = Problems()
        assert read(path, problems, shown="as written") is None
        (problem,) = problems.items
        assert problem.code == "RG006"
        assert said in problem.message
        assert str(problem).startswith("as written:1:1: ")


def test_a_file_is_called_as_the_user_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}', encoding="utf-8")
    problems = Problems()
    ours = read(path, problems, shown="./a.json")
    assert ours is not None
    assert isinstance(ours.value, dict)
    assert ours.value["a"].place().file == "./a.json"
    assert not problems.errors


def test_problems_are_kept_once_and_in_order() -> None:
    problems = Problems()
    _, (here, there) = problems_of("[True,None]")
    problems.warning("RG200", "odd", there.place)
    assert not problems.errors
    problems.error("RG001", "first", there.place)
    problems.error("RG001", "again", there.place)
    problems.error("RG001", "elsewhere", here.place)
    assert [p.message for p in problems.items] == ["odd", "first", "elsewhere"]
    assert problems.errors


@given(anything)
@pytest.mark.slow
def test_python_values_become_json(value: Any) -> None:
    ours = from_plain(value, "given")
    assert same(plain(ours), json.loads(json.dumps(value)))
    assert ours.place().file == "given"


def test_python_values_that_json_cannot_say() -> None:
    assert from_plain({"ratio": Fraction(1, 10)}, "given").value
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), {1, 2}, loop, {(1, 2): 3}, 10**5000):
        with pytest.raises(ResgenError, match="given"):
            from_plain(value, "given")
    for value in (float("nan"), float("inf"), "\ud800", {1: 2, "1": 3}, 2**53 + 1):
        with pytest.raises(SpecError, match="given"):
            from_plain(value, "given")


@given(st.lists(st.text() | st.integers(0, 99)))
@pytest.mark.slow
def test_pointers_are_escaped(parts: list[str | int]) -> None:
    pointer = pointer_of(*parts)
    read_back = [
        part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]
    ]
    assert read_back == [str(part) for part in parts]


def test_kinds() -> None:
    ours, _ = problems_of('{"a": [1, 0.5, "s", true, null]}')
    assert ours is not None
    kinds = [each.kind for each in values(ours)]
    assert kinds == [
        "object", "array", "number", "number", "string", "boolean", "null",
    ]  # fmt: skip


def test_a_checkpoint_is_no_spec_whatever_its_size() -> None:
    for data in (b"PK\x03\x04", b"PK\x03\x04" + b"\0" * (5 << 20)):
        value, found = problems_of(data)
        assert value is None
        assert "checkpoint" in found[0].message
        assert "--weights" in found[0].hint


def test_of_an_onnx_file_a_spec_is_imported() -> None:
    problems = Problems()
    assert parse(b"\x08\x08", "model.onnx", problems) is None
    (found,) = problems.items
    assert "resgen import" in (found.hint or "")
