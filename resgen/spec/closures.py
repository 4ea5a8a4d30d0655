"""Expressions as nested closures: one function makes one kind of node.

A closure takes the names and gives the value. It is made once, when the expression is
read, and knows the offset that an error of its operator is reported at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from resgen.errors import did_you_mean
from resgen.spec.arithmetic import (
    BINARY,
    COMPARISONS,
    FUNCTIONS,
    ExprError,
    item,
    negate,
)

Run = Callable[[Mapping[str, Any]], Any]


def literal(value: Any) -> Run:
    """What its text says."""
    return lambda env: value


def name(name: str, offset: int) -> Run:
    """The value of a name, or an error with the nearest one."""

    def run(env: Mapping[str, Any]) -> Any:
        try:
            return env[name]
        except KeyError:
            pass
        if name in FUNCTIONS:
            raise ExprError(f"{name} is a function; write {name}(...)", offset)
        near = did_you_mean(name, env)
        raise ExprError(f'there is no "{name}" here{near}', offset)

    return run


def binary(kind: str, left: Run, right: Run, offset: int) -> Run:
    """An operator of arithmetic; ``and`` and ``or`` give an operand, as Python's do."""
    if kind == "and":
        return lambda env: left(env) and right(env)
    if kind == "or":
        return lambda env: left(env) or right(env)
    apply = BINARY[kind]
    return lambda env: apply(left(env), right(env), offset)


def comparison(left: Run, kind: str, right: Run, offset: int) -> Run:
    """One comparison. Equality of integers and of strings takes a short way."""
    apply = COMPARISONS[kind]
    if kind != "==":
        return lambda env: apply(left(env), right(env), offset)

    def run(env: Mapping[str, Any]) -> bool:
        a, b = left(env), right(env)
        if type(a) is type(b) and (type(a) is int or type(a) is str):
            return bool(a == b)
        return apply(a, b, offset)

    return run


def chain(first: Run, steps: list[tuple[str, Run, int]]) -> Run:
    """``a < b <= c``: each operand evaluated once, and none after the first failure."""
    compiled = tuple((COMPARISONS[kind], run, offset) for kind, run, offset in steps)

    def run(env: Mapping[str, Any]) -> bool:
        left = first(env)
        for apply, operand, offset in compiled:
            right = operand(env)
            if not apply(left, right, offset):
                return False
            left = right
        return True

    return run


def negation(inner: Run, offset: int) -> Run:
    """Unary minus."""
    return lambda env: negate(inner(env), offset)


def inversion(inner: Run) -> Run:
    """``not``; anything has a truth, a body's is that it is not empty."""
    return lambda env: not inner(env)


def conditional(condition: Run, then: Run, other: Run) -> Run:
    """``then if condition else other``; only the one that is due is evaluated."""
    return lambda env: then(env) if condition(env) else other(env)


def index(value: Run, position: Run, offset: int) -> Run:
    """``value[index]``."""
    return lambda env: item(value(env), position(env), offset)


def call(
    function: Callable[..., Any],
    offset: int,
    values: tuple[Run, ...],
    keywords: dict[str, Run],
) -> Run:
    """A function of :mod:`arithmetic` with its arguments."""
    if not keywords:
        return lambda env: function(offset, *[value(env) for value in values])
    return lambda env: function(
        offset,
        *[value(env) for value in values],
        **{name: value(env) for name, value in keywords.items()},
    )
