"""Every code of a problem: what causes it, what it says, and where it points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from resgen.errors import Problem
from resgen.expansion.builder import Limits
from resgen.expansion.network import Examined, examine
from resgen.graph.explanations import BUILDING, READING
from resgen.ops import VOCABULARY
from resgen.spec import zoo
from resgen.spec.library import builtin, builtin_files

BASE = {
    "resgen": "1",
    "name": '"mine"',
    "input": "[3, 32, 32]",
    "stem": '"cifar"',
    "stages": '[{"block": "basic", "width": 16, "depth": 1}]',
    "head": '{"classes": 10}',
}


def written(changes: dict[str, str]) -> str:
    """A spec with one member a line, some of them in other words."""
    members = {**BASE, **changes}
    rows = [f'"{key}": {text}' for key, text in members.items() if text]
    return "{\n" + ",\n".join(rows) + "\n}\n"


#: Code; members in other words; the text that is pointed at; a part of the message.
CASES: list[tuple[str, dict[str, str], str, str]] = [
    ("RG002", {"let": '{"a": 1, "a": 2}'}, '"a": 2', "a"),
    ("RG005", {"let": '{"a": NaN}'}, "NaN", "NaN"),
    ("RG010", {"imput": "[3]"}, '"imput"', 'did you mean "input"?'),
    ("RG011", {"head": ""}, "{", 'a spec needs "head"'),
    ("RG011", {"stages": '[{"width": 8, "depth": 1}]'}, '{"width"', 'needs "block"'),
    ("RG012", {"input": "224"}, "224", "channels, then 1 to 3 spatial sizes"),
    ("RG013", {"stem": '{"op": "conv", "out": 8, "kernel": 0}'}, "0}", "at least 1"),
    ("RG010", {"defaults": '{"conv": {"init": {"weigt": 0}}}'}, '"weigt"',
     'did you mean "weight"?'),
    ("RG011", {"defaults": '{"conv": {"init": {"std": 0}}}'}, '{"std": 0}', '"type"'),
    ("RG013", {"defaults": '{"act": "sliu"}'}, '"sliu"', 'did you mean "silu"?'),
    ("RG014", {"resgen": "2"}, "2,", "version 2 is not known"),
    ("RG018", {"widths": '{"layer1.0.conv": 12}'}, '"layer1.0.conv"', "the path"),
    ("RG017", {"extends": '"densenet121"', "scale": '{"width": 2}'}, '"width"',
     "no stage"),
    ("RG020", {"stem": '"imagnet"'}, '"imagnet"', 'did you mean "imagenet"?'),
    ("RG020", {"stem": '{"op": "cov"}'}, '"cov"', 'did you mean "conv"?'),
    ("RG020", {"defaults": '{"block": "basik"}', "stages": '[{"depth": 1}]'},
     '"basik"', 'did you mean "basic"?'),
    ("RG021", {"defaults": '{"shortcut": "projecton"}'}, '"projecton"',
     'did you mean "projection"?'),
    ("RG022", {"defaults": '{"zero_int": true}'}, '"zero_int"',
     'did you mean "zero_init"?'),
    ("RG022", {"head": '{"clases": 10}'}, '"clases"', 'did you mean "classes"?'),
    ("RG013", {"blocks": '{"b": {"params": {"index": {"type": "integer"}}, '
     '"body": []}}'}, '"index"', "has a meaning of its own; choose another name"),
    ("RG013", {"let": '{"stage": 3}'}, '"stage"', "has a meaning of its own"),
    ("RG023", {"stages": '[{"block": "basic", "depth": 1}]'}, '{"block"',
     'needs "width"'),
    ("RG024", {"stem": '["cifar", {"from": "there"}]'}, '"there"', '"there"'),
    ("RG025", {"stem": '["cifar", {"list": [[], "act"]}, "act"]'}, '"act"]', "a list"),
    ("RG026", {"head": '{"from": "stages[7]"}'}, '"stages[7]"', "no item 7"),
    ("RG027", {"stem": '{"op": "norm", "as": "c", "share": true}'}, '{"op"', "not all"),
    ("RG030", {"let": '{"a": "2 +* 3"}'}, "* 3", "2 +* 3"),
    ("RG030", {"let": '{"a": "8 // 0"}'}, "// 0", "division by zero"),
    ("RG031", {"stages": '[{"block": "basic", "width": "8 // stage", "depth": 1}]'},
     '"8 // stage"', "zero"),
    ("RG015", {"input": "[64, 64, 3]"}, "[64, 64, 3]", "64 channels"),
    ("RG016", {"preprocess": '{"mean": [123, 116, 103]}'}, "[123, 116", "mean above 1"),
    ("RG033", {"stem": '{"op": "conv", "out": 8, "kernel": 1, "as": "train"}'},
     '"train"', "which PyTorch keeps for itself"),
    ("RG032", {"stages": '[{"block": "basic", "width": "w", "depth": 1}]'}, '"w"',
     '"w"'),
    ("RG050", {"stages": '[{"block": "basic", "width": 8, "depth": 1000000000}]'},
     "1000000000", "1,000,000,000 blocks"),
    ("RG051", {"stem": '"again"', "blocks":
     '{"again": {"body": ["again"]}}'}, '"again"]', "itself without end"),
    ("RG104", {"stages": '[{"block": "basic", "width": 24, "depth": 1, '
     '"shortcut": "identity"}]'}, "24", "adds 24 channels to 16"),
    ("RG104", {"stem": '{"add": [[], {"op": "conv", "out": 8, "kernel": 1}]}'},
     '{"add"', "8"),
    ("RG105", {"stages": '[{"block": "basic", "width": 16, "depth": 1, "groups": 3}]'},
     "3}", "3 groups do not divide 16"),
    ("RG106", {"input": "[3, 2, 2]", "stem":
     '{"op": "max_pool", "kernel": 3}'}, "3}", "collapses"),
    ("RG108", {"stem": '[{"op": "conv", "as": "c", "out": 3, "kernel": 1}, '
     '{"op": "norm", "as": "c"}]'}, '{"op": "norm"', '"c'),
    ("RG110", {"stem": '{"op": "conv", "out": 8, "kernel": [1, 3, 3]}'}, "[1, 3, 3]",
     "3 numbers"),
    ("RG111", {"stem": '["flatten", {"op": "conv", "out": 8, "kernel": 3}]'},
     '{"op": "conv"', "spatial"),
    ("RG112", {"stem": '{"op": "slice", "start": 2, "size": 5}'}, "", "slice"),
]  # fmt: skip


def look(tmp_path: Path, text: str | bytes, name: str = "mine.json") -> Examined:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return examine(path)


def ids(case: Any) -> str | None:
    return case if isinstance(case, str) and case.startswith("RG") else None


def pointed_at(problem: Problem, text: str) -> str:
    """The rest of the file from where a problem points."""
    line = text.splitlines()[problem.place.line - 1]
    return line[problem.place.column - 1 :]


@pytest.mark.parametrize(("code", "changes", "at", "says"), CASES, ids=ids)
def test_a_mistake_is_pointed_at(
    tmp_path: Path, code: str, changes: dict[str, str], at: str, says: str
) -> None:
    text = written(changes)
    problems = look(tmp_path, text).problems
    found = [p for p in problems if p.code == code]
    assert found, problems
    assert says in found[0].message
    assert pointed_at(found[0], text).startswith(at)
    assert found[0].place.file == str(tmp_path / "mine.json")


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"stem": '"silu"'}, 'write {"op": "act", "type": "silu"}'),
        (
            {"head": '{"use": "fcn", "width": 8}'},
            'it is an argument: "with": {"width": ...}',
        ),
    ],
)
def test_a_mend_is_written_out(
    tmp_path: Path, changes: dict[str, str], mend: str
) -> None:
    assert [p.hint for p in look(tmp_path, written(changes)).errors] == [mend]


RAW = {
    "RG001": b'{"resgen": 1 "name": "x"}',
    "RG003": '{"name": "\xe9"}'.encode("latin-1"),
    "RG004": b"[" * 100_000,
    "RG006": b"",
}


@pytest.mark.parametrize("code", RAW)
def test_a_file_that_is_no_json(tmp_path: Path, code: str) -> None:
    assert code in {p.code for p in look(tmp_path, RAW[code]).errors}


def test_the_parent_of_a_spec(tmp_path: Path) -> None:
    def codes(parent: str) -> list[str]:
        text = json.dumps({"extends": parent, "name": "x"})
        errors = look(tmp_path, text, "child.json").errors
        return [p.code for p in errors if p.code.startswith("RG04")]

    (tmp_path / "loop.json").write_text('{"extends": "child.json"}')
    outside = tmp_path.parent / "outside.json"
    outside.write_text("{}")
    assert codes("absent.json") == ["RG040"]
    assert codes("loop.json") == ["RG042"]
    assert codes("../outside.json") == ["RG043"]


def test_a_parent_is_not_set() -> None:
    """Else nobody would look for it, nor tell what is missing without it."""
    for spec in ({"resgen": 1, "set": {"/extends": "x"}}, {"set": {"/extends": 1}}):
        assert "RG041" in {p.code for p in examine(spec).errors}


@pytest.mark.parametrize("field", ["std", "bound", "gain"])
@pytest.mark.parametrize("value", [-1, "0 - 1", "channels - 9"])
def test_initialisers_spread_by_no_less_than_0(field: str, value: object) -> None:
    kind = {"std": "normal", "bound": "uniform", "gain": "kaiming_normal"}[field]
    init = {"type": kind, field: value}
    stem = {"op": "conv", "out": 4, "kernel": 1, "init": init}
    plain = {key: json.loads(text) for key, text in BASE.items()}
    (problem,) = examine({**plain, "stem": stem}).errors
    assert problem.code == "RG013"
    assert "expected a number of at least 0" in problem.message


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("/stagez/0/depth=2", 'did you mean "stages"?'),
        ("/stages/7/depth=2", "the list has 4 items, from 0"),
        ("/extends=resnet18", "read before anything is set"),
        ("/set=1", "read before anything is set"),
    ],
)
def test_set_points_nowhere(assignment: str, says: str) -> None:
    (problem,) = examine("resnet50", [assignment]).errors
    assert problem.code == "RG041"
    assert says in problem.message
    assert (problem.place.file, problem.place.text) == ("<set>", assignment)
    assert problem.place.column == 1


def test_a_bad_value_of_set_is_shown_there() -> None:
    (problem,) = examine("resnet50", ["/stages/0/width=0"]).errors
    place = problem.place
    assert (problem.code, place.file, place.pointer) == (
        *("RG013", "<set>", "/stages/0/width"),
    )
    assert (place.line, place.column, place.length) == (1, 17, 1)
    assert place.text == "/stages/0/width=0"


def test_set_gives_what_has_no_arguments_its_first() -> None:
    found = examine("regnety_004", ["/head/with/classes=10"])
    assert found.graph is not None
    assert [p.shape for p in found.graph.parameters[-2:]] == [(10, 440), (10,)]


def test_a_place_inside_a_value_of_set() -> None:
    text = '/stages/0={"block": "basic", "width": 64, "depth": -1}'
    (problem,) = examine("resnet50", [text]).errors
    assert problem.place.pointer == "/stages/0/depth"
    assert text[problem.place.column - 1 :] == "-1}"


def test_all_problems_of_a_file_in_one_run(tmp_path: Path) -> None:
    text = written(
        {
            "input": "[3, 32, 32, 32, 32]",
            "stem": '"cifer"',
            "defaults": '{"shortcut": "projecton", "foo": 1}',
            "stages": '[{"block": "basic", "with": 16, "depth": -1}]',
            "head": '{"classes": 0}',
        }
    )
    problems = look(tmp_path, text).errors
    assert {p.code for p in problems} >= {"RG012", "RG013", "RG020", "RG021", "RG022"}
    lines = [p.place.line for p in problems]
    assert lines == sorted(lines)


def test_problems_of_every_stage_in_one_run(tmp_path: Path) -> None:
    stage = '{"block": "basic", "width": %s, "depth": 1, "shortcut": "identity"}'
    text = written({"stages": f"[{stage % 24},\n{stage % 32}]"})
    problems = look(tmp_path, text).errors
    assert [(p.code, p.place.line) for p in problems] == [("RG104", 6), ("RG104", 7)]


def test_groups_that_do_not_divide_hide_nothing_after_them(tmp_path: Path) -> None:
    stage = '{"block": "basic", "width": %s, "depth": 1, "groups": 3}'
    text = written({"stages": f"[{stage % 16},\n{stage % 32}]"})
    problems = look(tmp_path, text).errors
    assert [(p.code, p.place.line) for p in problems] == [("RG105", 6), ("RG105", 7)]


@pytest.mark.parametrize(
    ("stage", "hint"),
    [
        ({"width": 24, "shortcut": "identity"}, 'use "projection", or keep 16'),
        ({"stride": 2, "shortcut": "identity"}, 'use "projection", or a stride of 1'),
        (
            {"stride": 2, "antialias": "avg_aa"},
            "the same strides, paddings and rounding",
        ),
        (
            {"shortcut": {"project": {"op": "pad_channels", "to": 24}, "when": True}},
            "let it give out 16 channels",
        ),
    ],
)
def test_the_mend_of_a_merge_fits_its_shortcut(
    tmp_path: Path, stage: dict[str, Any], hint: str
) -> None:
    whole = {"block": "basic", "width": 16, "depth": 1, **stage}
    text = written({"input": "[3, 31, 31]", "stages": json.dumps([whole])})
    (problem,) = look(tmp_path, text).errors
    assert problem.code == "RG104"
    assert hint in str(problem.hint)
    assert ("projection" in str(problem.hint)) == (whole.get("shortcut") == "identity")


ODD: tuple[Any, ...] = (0, 3, 7, "1/3", "x", "here", [], [3], {"op": "conv"}, "se")


@pytest.mark.drawn(16)
@pytest.mark.parametrize("block", list(builtin_files()["block"]))
@pytest.mark.slow
def test_a_built_in_definition_is_never_named(block: str) -> None:
    made = builtin(VOCABULARY).block(block)
    assert made is not None
    found = []
    for name in ("shortcut", *made.params):
        for odd in ODD:
            given = {"width": 16, "classes": 10} | {name: odd}
            given = {k: v for k, v in given.items() if k in made.params}
            stem = {"use": block, "with": given}
            spec = {"resgen": 1, "name": "x", "input": [3, 9, 9], "head": []}
            found += examine({**spec, "stem": stem, "stages": []}).problems
            stage = {"block": block, "depth": 1} | given
            found += examine({**spec, "stem": [], "stages": [stage]}).problems
    assert {problem.place.file for problem in found} <= {"<spec>"}


def test_a_parent_of_the_zoo_is_named_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = {"extends": "resnet50", "name": "x", "defaults": {"groups": 7}}
    monkeypatch.chdir(tmp_path)
    Path("child.json").write_text(json.dumps(child))
    problems = examine("child.json").errors
    assert {p.place.file for p in problems} == {"child.json"}
    child |= {"defaults": {"shortcut": "identity"}}
    Path("child.json").write_text(json.dumps(child))
    files = {p.place.file for p in examine("child.json").errors}
    assert files == {str(zoo.find("resnet50"))}


def test_a_problem_of_the_parent_names_the_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "family" / "deep").mkdir(parents=True)
    Path("family/base.json").write_text(written({"stem": '"cifer"'}))
    child = {"extends": "../base.json", "name": "child"}
    Path("family/deep/child.json").write_text(json.dumps(child))
    (problem,) = examine("family/deep/child.json").errors
    assert problem.place.file == "family/base.json"
    assert problem.code == "RG020"


def test_limits_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(written({}))
    (problem,) = examine(path, limits=Limits(parameters=1000)).errors
    assert problem.code == "RG050"
    assert "more than 1,000 parameters" in problem.message
    assert "max_parameters" in str(problem.hint)
    (problem,) = examine(path, limits=Limits(operators=5)).errors
    assert "more than 5 operators" in problem.message


def test_every_code_has_a_case() -> None:
    elsewhere = {*RAW, "RG040", "RG041", "RG042", "RG043", "RG214"}
    reached = {code for code, *_ in CASES} | elsewhere
    assert {e.code for e in (*READING, *BUILDING)} == reached


def test_a_path_beneath_an_operator_is_none(tmp_path: Path) -> None:
    stem = (
        '[{"op": "conv", "as": "c", "out": 3, "kernel": 1}, '
        '{"op": "norm", "as": "c.stride"}]'
    )
    (error,) = look(tmp_path, written({"stem": stem})).errors
    assert (error.code, error.place.pointer) == ("RG107", "/stem/1")
    assert '"c.stride" lies beneath "c"' in error.message


def test_another_input_of_a_network_that_flattens_is_another_network(
    tmp_path: Path,
) -> None:
    head = '["flatten", {"op": "linear", "as": "fc", "out": 10}]'
    (tmp_path / "old.json").write_text(written({"head": head}))
    other = '{"resgen": 1, "name": "other", "extends": "old.json", "input": [3, 12, 8]}'
    (told,) = (p for p in look(tmp_path, other).problems if p.code == "RG214")
    assert told.severity == "warning"
    assert "flattens a map of 16 x 12 x 8" in told.message
    assert look(tmp_path, written({"head": head})).problems == ()


# resnest50d flattens weights of its splits.
@pytest.mark.parametrize("name", ["resnet50", "resnest50d", "vgg16"])
def test_a_network_that_pools_to_one_size_takes_any_input(name: str) -> None:
    given, other = examine(name), examine(name, ["/input=[3,64,96]"])
    assert given.graph is not None
    assert other.graph is not None
    assert given.problems == other.problems
    assert given.graph.parameters == other.graph.parameters


@pytest.mark.parametrize(
    "name", ["densenet121", "convnext_tiny", "fcn_resnet50", "deit_tiny_patch16_224"]
)
def test_where_a_head_counts_its_classes_is_told(name: str) -> None:
    (problem,) = examine(name, {"/head/classes": 10}).errors
    places = problem.message.rpartition(" at ")[2].split(" and ")
    graph = examine(name, dict.fromkeys(places, 10)).graph
    assert graph is not None
    assert {graph.types[value].shape[0] for _, value in graph.outputs} == {10}
