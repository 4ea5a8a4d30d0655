"""Expressions of constructors as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resgen.lower.source.expressions import (
    MAKE,
    Call,
    Chain,
    Column,
    Expr,
    Formula,
    Leaf,
    Loop,
    Signature,
    Sweep,
    constant,
    leaves,
    parts,
    quoted,
    same,
)
from resgen.lower.source.layout import Brackets, Doc, flat, joined
from resgen.lower.source.spelling import signature

#: The function of the file that chains modules by names of their own.
NAMED = "named"


class Writer:
    """Writes expressions, given the signatures of the file's classes."""

    def __init__(self, made: Mapping[str, Signature]) -> None:
        self.made = made

    def doc(self, expr: Expr, turn: Mapping[int, str] | None = None) -> Doc:
        """The code of an expression; ``turn`` are the variables of a loop's columns."""
        if isinstance(expr, Leaf):
            return constant(expr.value)
        if isinstance(expr, Formula):
            return expr.text()
        if isinstance(expr, Sweep):
            return self.sweep(expr)
        if isinstance(expr, Column):
            return (turn or {})[id(expr)]
        if isinstance(expr, Chain):
            return self.chain(expr)
        if isinstance(expr, Call):
            return self.called(expr, turn)
        raise TypeError(type(expr).__name__)

    def called(self, call: Call, turn: Mapping[int, str] | None = None) -> Doc:
        """A call without what is the default anyway."""
        if call.target == MAKE:
            (_, made), *_ = call.arguments
            return f"{flat(self.doc(made, turn))}()"
        known = self.known(call.target)
        items: list[Doc] = []
        positional = True
        for name, each in call.arguments:
            default = known.defaults.get(name, ...) if name else ...
            if isinstance(each, Leaf) and same(each.value, default):
                positional = False
                continue
            required = not name or (name in known.names and default is ...)
            positional = positional and required
            doc = self.doc(each, turn)
            items.append(doc if positional else joined(f"{name}=", doc))
        if not call.target:
            tail = ",)" if len(items) == 1 else ")"
            return Brackets("(", tuple(items), tail, display=True)
        return Brackets(f"{call.target}(", tuple(items), ")")

    def known(self, target: str) -> Signature:
        if target in self.made:
            return self.made[target]
        if target.startswith(("torch.", "nn.init.", "operator.")) or not target:
            return Signature((), {})
        return signature(target)

    # --- chains and loops -------------------------------------------------------------

    def chain(self, chain: Chain) -> Doc:
        """``nn.Sequential`` where the names are numbers in their order."""
        at, numbered = 0, True
        for name, each in chain.children:
            if isinstance(each, Loop):
                name = f"{each.prefix}{each.first}"
            numbered &= name == str(at)
            at += _turns(each)
        if numbered:
            items = [self.child(each) for _, each in chain.children]
            return Brackets("nn.Sequential(", tuple(items), ")")
        only = chain.children[0][1]
        if len(chain.children) == 1 and isinstance(only, Loop) and not _single(only):
            inner = self.loop(only, "{", "}", key=True)
            return Brackets(f"{NAMED}(", (inner,), ")")
        items = []
        for name, each in chain.children:
            if isinstance(each, Loop):
                if _single(each):
                    label = quoted(f"{each.prefix}{each.first}")
                    items.append(joined(f"{label}: ", self.doc(each.item)))
                else:
                    items.append(joined("**", self.loop(each, "{", "}", key=True)))
            else:
                items.append(joined(f"{quoted(name)}: ", self.doc(each)))
        inner = Brackets("{", tuple(items), "}", display=True)
        return Brackets(f"{NAMED}(", (inner,), ")")

    def child(self, expr: Expr) -> Doc:
        """A child of ``nn.Sequential``."""
        if not isinstance(expr, Loop):
            return self.doc(expr)
        if _single(expr):
            return self.doc(expr.item)
        return joined("*", self.loop(expr, "[", "]", key=False))

    def loop(self, loop: Loop, head: str, tail: str, *, key: bool) -> Doc:
        """A comprehension."""
        columns = [each for each in _walk(loop.item) if isinstance(each, Column)]
        sweeps = any(isinstance(each, Sweep) for each in _walk(loop.item))
        names = _unique([_singular(each) for each in columns])
        turn = {id(each): name for each, name in zip(columns, names, strict=True)}
        item = self.doc(loop.item, turn)
        if key:
            number = f"i + {loop.first}" if loop.first else "i"
            item = joined(f'f"{loop.prefix}{{{number}}}": ', item)
        variables = ", ".join(names)
        over: str
        tables = [flat(self.doc(each.values)) for each in columns]
        count = flat(self.doc(loop.count))
        if not columns:
            index = "i" if sweeps or key else "_"
            return Brackets(
                head, (item, f"for {index} in range({count})"), tail, comma=False
            )
        if len(tables) == 1:
            over = tables[0]
        elif all(isinstance(c.values, Leaf) for c in columns):
            rows = zip(*(_values(c) for c in columns), strict=True)
            over = constant(tuple(rows))
        else:
            over = f"zip({', '.join(tables)}, strict=True)"
        table = _table(over, columns)
        if sweeps or key:
            inner = f"({variables})" if len(names) > 1 else variables
            clause = joined(f"for i, {inner} in enumerate(", table, ")")
        else:
            clause = joined(f"for {variables} in ", table)
        return Brackets(head, (item, clause), tail, comma=False)

    def sweep(self, expr: Sweep) -> str:
        """What it is in turn ``i``."""
        start, step = (flat(self.doc(each)) for each in (expr.start, expr.step))
        if " " in step:
            step = f"({step})"
        grown = "i" if step == "1" else f"{step} * i"
        if step.startswith("-") and step[1:].isdigit():
            grown = "i" if step == "-1" else f"{step[1:]} * i"
            return f"{start} - {grown}"
        return grown if start == "0" else f"{start} + {grown}"


def _single(loop: Loop) -> bool:
    """Whether a loop has one turn, always."""
    return isinstance(loop.count, Leaf) and loop.count.value == 1


def _turns(expr: Expr) -> int:
    """How many children an expression is, as far as that is known."""
    if not isinstance(expr, Loop):
        return 1
    return expr.count.value if isinstance(expr.count, Leaf) else 10**6


def _walk(expr: Expr) -> list[Expr]:
    """A tree's parts, itself first, without what is within other loops."""
    return [expr, *(inner for part in parts(expr) for inner in _walk(part))]


def _values(column: Column) -> tuple[Any, ...]:
    (leaf,) = leaves(column.values)
    found: tuple[Any, ...] = leaf.value
    return found


def _singular(column: Column) -> str:
    leaf = next(iter(leaves(column.values)), None)
    role = leaf.role if leaf is not None else ""
    return role.removesuffix("s") or "value"


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        at, each = 2, name
        while each in found:
            each = f"{name}{at}"
            at += 1
        found.append(each)
    return found


def _table(over: str, columns: list[Column]) -> Doc:
    """The tuple that a loop runs over, a row to a line where it is long."""
    if not all(isinstance(each.values, Leaf) for each in columns):
        return over
    every = [_values(each) for each in columns]
    rows = every[0] if len(every) == 1 else [*zip(*every, strict=True)]
    tail = ",)" if len(rows) == 1 else ")"
    return Brackets("(", tuple(constant(row) for row in rows), tail, display=True)
