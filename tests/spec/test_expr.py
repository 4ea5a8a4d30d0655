"""Expressions, held against Python's own evaluation with exact fractions."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from fractions import Fraction
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resgen.spec.expr import ExprError, constant, parse

ENV: dict[str, Any] = {
    "a": 3,
    "b": Fraction(1, 4),
    "c": 0,
    "mid": 64,
    "name": "relu",
    "kernels": (3, 5, 7),
    "on": True,
    "off": False,
    "double": 0.5,
    "none": None,
}


def value(text: str, **env: Any) -> Any:
    return parse(text).evaluate({**ENV, **env})


def attempt(text: str) -> tuple[Any, ExprError | None]:
    """The value, or the error in its stead."""
    try:
        return value(text), None
    except ExprError as error:
        return None, error


def pythons(text: str) -> Any:
    """What Python makes of it, with every number a fraction."""
    source = re.sub(r"(?<![\w.])[0-9.]+(?!\w)", r"F('\g<0>')", text)
    names = {
        **{key: Fraction(ENV[key]) for key in ("a", "b", "c")},
        "F": Fraction,
        "floor": math.floor,
        "ceil": math.ceil,
        "__builtins__": {"abs": abs, "round": round, "max": max, "min": min},
    }
    return eval(source, names)  # noqa: S307 - of texts that this file makes


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3) -> str:
    """The text of a number; only a choice always stands in brackets."""
    form = draw(st.integers(0, 8 if depth else 1))
    if form == 0:
        return str(draw(st.integers(0, 99)))
    if form == 1:
        return draw(st.sampled_from(["a", "b", "c", "0.1", "2.50", ".5"]))
    x = draw(numbers(depth - 1))
    if form == 2:
        return f"-{x}"
    if form == 3:
        return f"({x})"
    if form == 4:
        return x + draw(st.sampled_from(["** 2", " ** -1", "**3", "** 0"]))
    if form == 5:
        return f"{draw(st.sampled_from(['floor', 'ceil', 'round', 'abs']))}({x})"
    y = draw(numbers(depth - 1))
    if form == 6:
        return f"{draw(st.sampled_from(['max', 'min']))}({x}, {y})"
    if form == 7:
        return f"({x} if {draw(conditions(depth - 1))} else {y})"
    operator = draw(st.sampled_from(["+", "-", "*", "/", "//", "%"]))
    return f"{x} {operator}{y}"


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    """The text of a condition."""
    form = draw(st.integers(0, 4 if depth else 1))
    if form <= 1:
        parts = [draw(numbers(depth))]
        for _ in range(form + 1):
            sign = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
            parts += [sign, draw(numbers(depth))]
        return " ".join(parts)
    x = draw(conditions(depth - 1))
    if form == 2:
        return f"not {x}"
    if form == 3:
        return f"({x})"
    return f"{x} {draw(st.sampled_from(['and', 'or']))} {draw(conditions(depth - 1))}"


@given(numbers() | conditions())
@pytest.mark.slow
def test_means_what_python_means(text: str) -> None:
    ours, error = attempt(text)
    if error is not None and re.search("too large|exponent|more than 32", str(error)):
        return  # Python has no such limit, and might not end.
    try:
        theirs = pythons(text)
    except ZeroDivisionError:
        assert error is not None
        assert error.message == "division by zero"
        return
    except TypeError:  # of a complex number
        theirs = 1j
    if isinstance(theirs, complex):
        assert error is not None
        assert "root of a negative" in error.message
        return
    assert error is None
    assert ours == theirs
    if isinstance(theirs, (int, Fraction)) and not isinstance(theirs, bool):
        assert type(ours) is (int if Fraction(theirs).denominator == 1 else Fraction)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/4", Fraction(1, 4)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("4/2", 2),
        ("2.5e1", 25),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 - 2 - 1", 4),
        ("mid // 2 * 3", 96),
        ("1 < a < 4", True),
        ("1 < a < 3", False),
        ("not a == 4 and on", True),
        ("off or name", "relu"),
        ("a and kernels", (3, 5, 7)),
        ("1 if off else 2 if off else 3", 3),
        ("name == 'relu'", True),
        ('name != "relu"', False),
        ("name[0] + 1 if off else name[-1]", "u"),
        ("kernels[a - 1] // 2", 3),
        ("len(kernels) + len(name)", 7),
        ("max(kernels)", 7),
        ("on == 1", True),
        ("on < 2", True),
        ("none == none", True),
        ("none == 'x'", False),
        ("none != 3", True),
        ("kernels == kernels", True),
        ("true and not false", True),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("log2(8)", 3.0),
        ("sqrt(2) * 3", math.sqrt(2) * 3),
        ("double / 3 + b", 0.5 / 3 + 0.25),
        ("mid ** double", 8.0),
        ("mid ** (1/2)", 8.0),
        ("floor((log2(mid) + 1) / 2)", 3),
        ("divisible(30, 8)", 32),
        ("divisible(v=3, by=8, min=16)", 16),
        ("divisible(by=8, v=66, limit=0)", 64),
    ],
)
def test_values(text: str, expected: Any) -> None:
    ours = value(text)
    assert (type(ours), ours) == (type(expected), expected)


@pytest.mark.parametrize(
    ("text", "offset", "said"),
    [
        ("", 0, "expected a value"),
        ("1 +", 3, "expected a value, not the end"),
        ("(1", 2, 'expected ")"'),
        ("1 2", 2, "expected an operator"),
        ("a = 3", 2, '"=="'),
        ("on && off", 3, 'write "and"'),
        ("!on", 0, 'write "not"'),
        ("a ? 1", 2, "if condition else"),
        ("a if on", 7, '"else"'),
        ("name == 'relu", 8, "never ends"),
        ("3x", 0, "not a number"),
        ("a.b", 1, 'unexpected "."'),
        ("name.__class__", 4, 'unexpected "."'),
        ("1 / c", 2, "division by zero"),
        ("1 // 0", 2, "division by zero"),
        ("double % 0", 7, "division by zero"),
        ("0 ** -1", 2, "division by zero"),
        ("1 + widht", 4, 'there is no "widht" here; did you mean "width"?'),
        ("flor(1)", 0, 'did you mean "floor"?'),
        ("floor + 1", 0, "write floor(...)"),
        ("name + 1", 5, "cannot add a string and a number"),
        ("on * 2", 3, "cannot multiply a boolean and a number"),
        ("-on", 0, "cannot negate a boolean"),
        ("2 ** kernels", 2, "a number and a list"),
        ("name < 1", 5, "cannot order a string and a number"),
        ("name == 1", 5, "cannot compare a string with a number"),
        ("kernels == 3", 8, "cannot compare a list with a number"),
        ("kernels[3]", 7, "out of range for a list of length 3"),
        ("kernels[1/2]", 7, "an index is an integer, not a fraction"),
        ("kernels[on]", 7, "not a boolean"),
        ("a[0]", 1, "cannot take an element of a number"),
        ("floor(1, 2)", 0, "floor takes (x)"),
        ("divisible(1)", 0, "divisible takes (v, by, min, limit)"),
        ("divisible(1, 2, mim=3)", 16, 'did you mean "min"?'),
        ("divisible(1, 2, v=3)", 16, "given twice"),
        ("divisible(8, 0)", 0, "above 0"),
        ("max()", 0, "at least 1"),
        ("max(name)", 0, "max takes a number"),
        ("log2(0)", 0, "above 0"),
        ("sqrt(-1)", 0, "at least 0"),
        ("(-2) ** (1/2)", 5, "root of a negative"),
        ("9 ** 9 ** 9", 2, "exponent"),
        ("2 ** 64 ** 2", 2, "exponent"),
        ("(2 ** 64) ** 4", 10, "too large"),
        ("1e99", 0, "too large"),
        ("1e999999999999", 0, "too large"),
        ("(double * 1e64) ** 64", 16, "too large"),
        ("floor((double * 1e60) ** 4)", 0, "too large"),
        ("x" * 501, 500, "at most 500"),
        ("(" * 40 + "1" + ")" * 40, 32, "32 levels"),
        ("-" * 40 + "1", 31, "32 levels"),
        ("a[" * 40, 64, "32 levels"),
        ("2**" * 100 + "2", None, "32 operations"),
        ("1+" * 100 + "1", None, "32 operations"),
        ("1 if on else " * 36 + "1", None, "32 levels"),
    ],
)
def test_errors_say_what_and_where(text: str, offset: int | None, said: str) -> None:
    with pytest.raises(ExprError) as caught:
        value(text, width=8)
    assert said in caught.value.message
    if offset is not None:
        assert caught.value.offset == offset


def test_evaluates_only_what_is_due() -> None:
    assert value("1 if c == 0 else 1 / c") == 1
    assert value("c != 0 and 1 / c > 1") is False
    assert value("c == 0 or 1 / c > 1") is True
    assert value("1 < 0 < 1 / c") is False
    with pytest.raises(ExprError, match="division by zero"):
        parse("1 / 0")


def test_names_are_known_before_evaluation() -> None:
    assert parse("max(a, b[i]) if true else floor").names == {"a", "b", "i", "floor"}
    assert parse("1 + len('abc')").names == frozenset()
    assert value("min + min(min, 2)", min=3) == 5  # a parameter of that name


@pytest.mark.parametrize("given_", [3, Fraction(1, 4), "s", True, None, (1, 2), 0.5])
def test_a_constant_is_its_value(given_: Any) -> None:
    made = constant(given_)
    assert made.names == frozenset()
    assert made.evaluate({}) is given_
    if not isinstance(given_, tuple) and given_ is not None:
        assert parse(made.text).evaluate({}) == given_


def test_a_body_is_true_when_it_is_not_empty() -> None:
    class Body:
        def __init__(self, *elements: str) -> None:
            self.elements = elements

        def __bool__(self) -> bool:
            return bool(self.elements)

    full, empty = Body("norm"), Body()
    assert value("not body and on", body=empty) is True
    assert value("body and other", body=full, other=empty) is empty
    assert value("1 if body else 2", body=full) == 1
    for text in ("body + 1", "body == 1", "body < 1", "body[0]", "len(body)", "-body"):
        with pytest.raises(ExprError, match="body"):
            value(text, body=full)


@given(st.text(alphabet="abc019.+-*/%()[]<>=!,'\" notadrifels\t", max_size=40))
def test_nonsense_is_an_error_with_a_place(text: str) -> None:
    _, error = attempt(text)
    if error is not None:
        assert 0 <= error.offset <= len(text)
        assert error.message


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    _, error = attempt(text)
    if error is not None:
        assert 0 <= error.offset <= len(text)


@given(
    st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "==", "and"]),
    st.sampled_from(sorted(ENV)),
    st.sampled_from(sorted(ENV)),
)
def test_every_pair_of_types_has_a_value_or_an_error(op: str, a: str, b: str) -> None:
    result, error = attempt(f"{a} {op} {b}")
    if error is not None:
        assert error.offset == len(a) + 1
    assert not isinstance(result, complex)


def test_bombs_end_at_once() -> None:
    bombs = [
        "9**9**9**9",
        "(" * 249 + ")" * 249,
        "((((((9**64)**64)**64)**64)**64)**64)",
        "*".join(["1e64"] * 30),
        "1" * 499,
        "-" * 500,
        "not " * 120,
        "2**-" * 120 + "2",
        "max(" * 100,
        "a<" * 240 + "a",
        "'" + "x" * 498 + "'",
        "1e" + "9" * 490,
        "0." + "1" * 490,
    ]
    # All together stay within some hundred times as many honest sums; one that went
    # off would cost millions. Every text is new, since parsed ones are kept.
    honest = [f"1.25 + {n}" + " + 0.5" * 30 for n in range(len(bombs))]
    assert seconds(bombs) < 500 * seconds(honest)


def seconds(texts: list[str]) -> float:
    """The processor time that they take together."""
    begin = time.process_time()
    for text in texts:
        attempt(text)
    return time.process_time() - begin


@pytest.fixture(scope="module")
def make_divisible(peers: ModuleType | SimpleNamespace) -> Callable[..., int]:
    made: Callable[..., int] = peers.timm.layers.make_divisible
    return made


@pytest.mark.peers
def test_divisible_is_timms(make_divisible: Callable[..., int]) -> None:
    text = parse("divisible(v, by, least, limit)")
    for by in (1, 2, 4, 8, 10, 12, 16, 32):
        for v in [*range(1, 300), 1000, 1001, 4095]:
            for limit in (0, Fraction(9, 10)):
                for least in (by, 24):
                    env = {"v": v, "by": by, "least": least, "limit": limit}
                    theirs = make_divisible(v, by, least, float(limit))
                    assert text.evaluate(env) == theirs, env
    for width in (16, 24, 40, 80, 112, 192, 320, 1280):
        for multiplier in ("0.35", "0.5", "0.75", "1.1", "1.4", "2.0"):
            ours = value(f"divisible({width} * {multiplier}, 8)")
            assert ours == make_divisible(width * float(multiplier), 8)
