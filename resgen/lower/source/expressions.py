"""What constructors and functions are called with, as trees whose leaves are constants.

Two trees that differ in their leaves alone have one :func:`skeleton`: then they can be
one line of code, with an argument where the leaves differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Name:
    """A class that is passed as a value, such as ``nn.ReLU``."""

    text: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A constant, and what the argument is called that takes it."""

    value: Any
    role: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """Of constructor arguments: ``{0} * 4`` of ``width``."""

    template: str
    arguments: tuple[str, ...]

    def text(self, prefix: str = "") -> str:
        """As code; ``prefix`` stands before every argument."""
        return self.template.format(*(prefix + name for name in self.arguments))


@dataclass(frozen=True, slots=True)
class Sweep:
    """What grows by a step from one turn of a loop to the next."""

    start: Expr
    step: Expr


@dataclass(frozen=True, slots=True)
class Column:
    """What has a value of its own in each turn of a loop: a leaf that is a tuple."""

    values: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """``target(...)``; arguments without a name are positional.

    ``target`` is an import path, the name of a class of the file, or ``""`` for a
    tuple; :data:`MAKE` calls its first argument with the rest.
    """

    target: str
    arguments: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class New:
    """An instance of a class that is not there yet; ``body`` indexes the bodies."""

    body: int


@dataclass(frozen=True, slots=True)
class Loop:
    """Children alike, so many; named by a prefix and numbers from ``first`` on."""

    prefix: str
    first: int
    item: Expr
    count: Expr


@dataclass(frozen=True, slots=True)
class Chain:
    """Modules one after another; a loop in it has the name ``""``."""

    children: tuple[tuple[str, Expr], ...]


Expr: TypeAlias = Leaf | Formula | Sweep | Column | Call | New | Loop | Chain

#: The target of a call of a class that is an argument itself.
MAKE = "*"


def parts(expr: Expr) -> tuple[Expr, ...]:
    """What a tree holds directly."""
    if isinstance(expr, Call):
        return tuple(each for _, each in expr.arguments)
    if isinstance(expr, Chain):
        return tuple(each for _, each in expr.children)
    if isinstance(expr, Loop):
        return (expr.item, expr.count)
    if isinstance(expr, Sweep):
        return (expr.start, expr.step)
    return (expr.values,) if isinstance(expr, Column) else ()


def with_parts(expr: Expr, found: Iterator[Expr]) -> Expr:
    """The same tree with other parts."""
    if isinstance(expr, Call):
        return Call(expr.target, tuple((n, next(found)) for n, _ in expr.arguments))
    if isinstance(expr, Chain):
        return Chain(tuple((name, next(found)) for name, _ in expr.children))
    if isinstance(expr, Loop):
        return Loop(expr.prefix, expr.first, next(found), next(found))
    if isinstance(expr, Sweep):
        return Sweep(next(found), next(found))
    return Column(next(found)) if isinstance(expr, Column) else expr


def skeleton(expr: Expr) -> Any:
    """What two trees share that differ in leaves alone; hashable."""
    if isinstance(expr, Leaf):
        return None
    head = with_parts(expr, iter([Leaf(None)] * len(parts(expr))))
    return head, *map(skeleton, parts(expr))


def walk(expr: Expr) -> Iterator[Expr]:
    """A tree and all trees in it, each before what it holds."""
    yield expr
    for part in parts(expr):
        yield from walk(part)


def leaves(expr: Expr) -> list[Leaf]:
    """The leaves of a tree, in order."""
    return [each for each in walk(expr) if isinstance(each, Leaf)]


def filled(expr: Expr, found: Iterator[Expr]) -> Expr:
    """The same tree with these in place of its leaves, in order."""
    if isinstance(expr, Leaf):
        return next(found)
    return with_parts(expr, iter([filled(part, found) for part in parts(expr)]))


def same(a: Any, b: Any) -> bool:
    """Equality that tells 1 from True and 1.0."""
    return type(a) is type(b) and bool(a == b) and repr(a) == repr(b)


def constant(value: Any) -> str:
    """A constant as code."""
    if isinstance(value, Name):
        return value.text
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return re.sub(r"e([+-])0+", r"e\1", repr(value))
    if isinstance(value, tuple):
        inner = ", ".join(map(constant, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def quoted(text: str) -> str:
    """A string as code, in double quotes where that takes no escapes."""
    shown = ascii(text) if not text.isprintable() else repr(text)
    if '"' in text or "\\" in shown:
        return shown
    return f'"{shown[1:-1]}"'


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a class or function by name, and those that have defaults."""

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
