"""What the operators and functions of expressions do with their values.

Integers and fractions are exact; a double among the operands, ``log2`` and ``sqrt``
give doubles. Everything is bounded, so that no expression takes long or much memory:
numerators and denominators to 256 bits, exponents to 64, and doubles stay finite.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, TypeAlias

Value: TypeAlias = "int | Fraction | float | bool | str | tuple[Any, ...]"

MAX_BITS: Final = 256
MAX_EXPONENT: Final = 64


class ExprError(Exception):
    """An expression that cannot be read or has no value.

    ``offset`` is where in its text; whoever knows where the text stands makes a problem
    of it.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


_KINDS: Final[dict[type, str]] = {
    int: "a number",
    Fraction: "a number",
    float: "a number",
    bool: "a boolean",
    str: "a string",
    tuple: "a list",
    list: "a list",
    type(None): "nothing (null)",
}
_NUMBERS: Final = frozenset((int, Fraction, float))


def kind(value: object) -> str:
    """What ``value`` is, for messages."""
    return _KINDS.get(type(value), "a body")


def bounded(value: Any, offset: int) -> Any:
    """``value`` in its simplest type, or an error when it is too large."""
    if type(value) is Fraction and value.denominator == 1:
        value = value.numerator
    if type(value) is int:
        fits = value.bit_length() <= MAX_BITS
    elif type(value) is float:
        fits = math.isfinite(value)
    else:
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        fits = bits <= MAX_BITS
    if not fits:
        raise ExprError("the number is too large to go on with", offset)
    return value


def _operands(verb: str, a: Any, b: Any, offset: int) -> None:
    if type(a) not in _NUMBERS or type(b) not in _NUMBERS:
        raise ExprError(f"cannot {verb} {kind(a)} and {kind(b)}", offset)


def _binary(verb: str, apply: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(a: Any, b: Any, offset: int) -> Any:
        _operands(verb, a, b, offset)
        try:
            return bounded(apply(a, b), offset)
        except ZeroDivisionError:
            raise ExprError("division by zero", offset) from None
        except OverflowError:
            raise ExprError("the number is too large to go on with", offset) from None

    return run


def _divide(a: Any, b: Any) -> Any:
    return Fraction(a, b) if type(a) is int and type(b) is int else a / b


def _power(a: Any, b: Any, offset: int) -> Any:
    _operands("raise to a power", a, b, offset)
    if abs(b) > MAX_EXPONENT:
        raise ExprError(f"the exponent is larger than {MAX_EXPONENT}", offset)
    try:
        if type(b) is int and type(a) is not float:
            exact = a if type(a) is Fraction or b >= 0 else Fraction(a)
            return bounded(exact**b, offset)
        if a < 0 and b != math.floor(b):
            raise ExprError("a root of a negative number", offset)
        return bounded(float(a) ** float(b), offset)
    except ZeroDivisionError:
        raise ExprError("division by zero", offset) from None
    except OverflowError:
        raise ExprError("the number is too large to go on with", offset) from None


BINARY: Final[dict[str, Callable[[Any, Any, int], Any]]] = {
    "+": _binary("add", operator.add),
    "-": _binary("subtract", operator.sub),
    "*": _binary("multiply", operator.mul),
    "/": _binary("divide", _divide),
    "//": _binary("divide", operator.floordiv),
    "%": _binary("divide", operator.mod),
    "**": _power,
}


def negate(value: Any, offset: int) -> Any:
    """``-value`` of a number."""
    if type(value) not in _NUMBERS:
        raise ExprError(f"cannot negate {kind(value)}", offset)
    return -value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any, int], bool]:
    def run(a: Any, b: Any, offset: int) -> bool:
        if isinstance(a, str) and isinstance(b, str):
            return compare(a, b)
        if isinstance(a, (int, float, Fraction)) and isinstance(
            b, (int, float, Fraction)
        ):
            return compare(a, b)
        raise ExprError(f"cannot order {kind(a)} and {kind(b)}", offset)

    return run


def equal(a: Any, b: Any, offset: int) -> bool:
    """Whether two values of like type are equal; ``null`` equals only itself."""
    if a is None or b is None:
        return a is b
    left, right = kind(a), kind(b)
    if left == right == "a list":
        return tuple(a) == tuple(b)
    numeric = ("a number", "a boolean")
    if left == "a body" or (
        left != right and not (left in numeric and right in numeric)
    ):
        raise ExprError(f"cannot compare {left} with {right}", offset)
    return bool(a == b)


COMPARISONS: Final[dict[str, Callable[[Any, Any, int], bool]]] = {
    "==": equal,
    "!=": lambda a, b, offset: not equal(a, b, offset),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}


def item(value: Any, index: Any, offset: int) -> Any:
    """``value[index]`` of a list or a string; a negative index counts from the end."""
    if not isinstance(value, (str, list, tuple)):
        raise ExprError(f"cannot take an element of {kind(value)}", offset)
    if type(index) is not int:
        found = "a fraction" if type(index) is Fraction else kind(index)
        raise ExprError(f"an index is an integer, not {found}", offset)
    if not -len(value) <= index < len(value):
        has = f"{kind(value)} of length {len(value)}"
        raise ExprError(f"index {index} is out of range for {has}", offset)
    return value[index]


def _number(value: Any, function: str, offset: int) -> Any:
    if type(value) not in _NUMBERS:
        raise ExprError(f"{function} takes a number, not {kind(value)}", offset)
    return value


def _of_number(name: str, apply: Callable[[Any], Any]) -> Callable[..., Any]:
    def run(offset: int, x: Any) -> Any:
        return bounded(apply(_number(x, name, offset)), offset)

    return run


def _extreme(name: str, choose: Callable[[Any], Any]) -> Callable[..., Any]:
    def run(offset: int, *values: Any) -> Any:
        if len(values) == 1 and isinstance(values[0], (list, tuple)):
            values = tuple(values[0])
        if not values:
            raise ExprError(f"{name} takes at least one number", offset)
        return choose([_number(value, name, offset) for value in values])

    return run


def _length(offset: int, x: Any) -> int:
    if not isinstance(x, (str, list, tuple)):
        raise ExprError(f"len takes a list or a string, not {kind(x)}", offset)
    return len(x)


def _log2(offset: int, x: Any) -> float:
    if _number(x, "log2", offset) <= 0:
        raise ExprError("log2 takes a number above 0", offset)
    if type(x) is Fraction:
        return math.log2(x.numerator) - math.log2(x.denominator)
    return math.log2(x)


def _sqrt(offset: int, x: Any) -> float:
    if _number(x, "sqrt", offset) < 0:
        raise ExprError("sqrt takes a number of at least 0", offset)
    return math.sqrt(x)


def divisible(
    offset: int,
    v: Any,
    by: Any,
    min: Any = None,  # noqa: A002 - the language names it so
    limit: Any = Fraction(9, 10),
) -> Any:
    """``v`` rounded to the nearest multiple of ``by``, and never below ``min``.

    Takes one multiple more where that lost more than ``1 - limit`` of ``v``: the rule
    by which timm (``make_divisible``) and the MobileNets round channels.
    """
    least = by if min is None else min
    for value in (v, by, least, limit):
        _number(value, "divisible", offset)
    if by <= 0:
        raise ExprError("divisible takes a multiple of something above 0", offset)
    plus, times = BINARY["+"], BINARY["*"]
    middle = BINARY["/"](by, 2, offset)
    count = BINARY["//"](plus(v, middle, offset), by, offset)
    result = max(least, times(count, by, offset))
    return plus(result, by, offset) if result < times(limit, v, offset) else result


#: Name to the function and the names of its parameters with the number required; no
#: names: any number of arguments.
FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], tuple[str, ...], int]]] = {
    "floor": (_of_number("floor", math.floor), ("x",), 1),
    "ceil": (_of_number("ceil", math.ceil), ("x",), 1),
    "round": (_of_number("round", round), ("x",), 1),
    "abs": (_of_number("abs", abs), ("x",), 1),
    "max": (_extreme("max", max), (), 1),
    "min": (_extreme("min", min), (), 1),
    "len": (_length, ("x",), 1),
    "log2": (_log2, ("x",), 1),
    "sqrt": (_sqrt, ("x",), 1),
    "divisible": (divisible, ("v", "by", "min", "limit"), 2),
}
