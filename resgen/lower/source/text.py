"""Expressions of constructors as code."""

from __future__ import annotations

from collections.abc import Mapping

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
    quoted,
    same,
    walk,
)
from resgen.lower.source.layout import Brackets, Doc, flat, joined, repeated
from resgen.lower.source.spelling import signature

#: The function of the file that chains modules by names of their own.
NAMED = "named"


class Writer:
    """Writes expressions, given the signatures of the file's classes."""

    def __init__(self, made: Mapping[str, Signature]) -> None:
        self.made = made

    def doc(self, expr: Expr, turn: str = "") -> Doc:
        """The code of an expression; ``turn`` is the variable of the loop around it."""
        if isinstance(expr, Leaf):
            return constant(expr.value)
        if isinstance(expr, Formula):
            return expr.text()
        if isinstance(expr, Sweep):
            return self.sweep(expr)
        if isinstance(expr, Column):
            return turn
        if isinstance(expr, Chain):
            return self.chain(expr)
        if isinstance(expr, Call):
            return self.called(expr, turn)
        raise TypeError(type(expr).__name__)

    def called(self, call: Call, turn: str = "") -> Doc:
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
        if target.startswith(("torch.", "nn.init.")) or not target:
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
            return Brackets("nn.Sequential(", tuple(repeated(items)), ")")
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
        """A comprehension, over numbers or over the values of one argument."""
        within = [*walk(loop.item)]
        column = next((each for each in within if isinstance(each, Column)), None)
        counted = key or any(isinstance(each, Sweep) for each in within)
        turn = _singular(column) if column else ""
        item = self.doc(loop.item, turn)
        if key:
            number = f"i + {loop.first}" if loop.first else "i"
            item = joined(f'f"{loop.prefix}{{{number}}}": ', item)
        clause: Doc
        if column is None:
            index, count = "i" if counted else "_", flat(self.doc(loop.count))
            clause = f"for {index} in range({count})"
        elif counted:
            table = self.table(column.values)
            clause = Brackets(f"for i, {turn} in enumerate(", (table,), ")")
        else:
            clause = joined(f"for {turn} in ", self.table(column.values))
        return Brackets(head, (item, clause), tail, comma=False)

    def table(self, values: Expr) -> Doc:
        """What a loop runs over, a value to a line where it is long."""
        if not isinstance(values, Leaf):
            return self.doc(values)
        each = tuple(map(constant, values.value))
        return Brackets("(", each, ",)" if len(each) == 1 else ")", display=True)

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


def _singular(column: Column) -> str:
    """What one value of a column is called."""
    roles = [leaf.role.removesuffix("s") for leaf in leaves(column.values)]
    return "".join(roles[:1]) or "value"
