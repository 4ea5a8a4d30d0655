"""The ``forward`` of a class: its steps as statements, in the order of the graph.

The order is kept to the last call, since random numbers are drawn and gradients are
added up in it. A value that is read once is written into what reads it, where it would
be computed next in any case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from resgen.lower.source.bodies import Step
from resgen.lower.source.classes import Class
from resgen.lower.source.expressions import (
    Call,
    Expr,
    Formula,
    Leaf,
    constant,
    quoted,
)
from resgen.lower.source.layout import INDENT, WIDTH, Brackets, Doc, flat, joined
from resgen.lower.source.naming import Namer
from resgen.lower.source.places import Place
from resgen.lower.source.text import Writer

#: How many calls one line nests.
DEEPEST: Final = 3
_SUM, _PRODUCT, _ATOM = 1, 2, 3
#: Variables that need no name of their own.
_PLAIN: Final = ("y", "z")


@dataclass(frozen=True, slots=True)
class _Code:
    """An expression, how strongly it binds, and how many calls it nests."""

    doc: Doc
    binds: int = _ATOM
    depth: int = 0

    def within(self, binds: int) -> str:
        """In an expression that binds as strongly."""
        text = flat(self.doc)
        return text if self.binds >= binds else f"({text})"


class Forward:
    """Writes one ``forward``; ``lines`` are its statements and how deep they stand."""

    def __init__(
        self, made: Class, places: Place, modules: Sequence[str], writer: Writer
    ) -> None:
        self.made, self.places, self.modules = made, places, modules
        self.writer = writer
        self.lines: list[tuple[int, Doc]] = []
        self.waiting: dict[int, _Code] = {}
        self.variables: dict[int, str] = {}
        self.left: Counter[int] = Counter(v for s in made.steps for v in s.inputs)
        for ends in self.ends:
            self.left.update(ends)
        self.kept = {value for ends in self.ends for value in ends}
        self.within = False  # whether the last statement is for training alone
        self.whole: Doc | None = None  # what gives all that is given out
        body = made.body
        self.arguments = (
            ["x"] if body.inputs == 1 else [f"x{i}" for i in range(body.inputs)]
        )
        self.names = Namer(("self", "torch", "nn", "F", "i", *self.arguments))
        self.variables.update(enumerate(self.arguments))

    @property
    def ends(self) -> list[tuple[int, ...]]:
        """The values that are given out, by inference and by training if it differs."""
        if not self.made.body.results:
            return [self.made.outputs]
        return [tuple(v for _, v in ends) for ends in self.made.body.results]

    @property
    def indent(self) -> int:
        return 2 * INDENT + INDENT * self.within

    def run(self) -> list[tuple[int, Doc]]:
        rows = zip(self.made.steps, self.modules, self.made.conditions, strict=True)
        for step, module, condition in rows:
            if step.apart != self.within:
                self.flush()
                if step.apart:
                    self.lines.append((0, "if self.training:"))
                self.within = step.apart
            if condition is not None and not step.module:
                self.maybe(step, condition)
            else:
                self.step(step, module)
        results = self.made.body.results
        if len(results) > 1:
            self.flush()
            if not self.within:
                self.lines.append((0, "if self.training:"))
            self.within = True
            self.lines.append((1, joined("return ", self.result(results[1]))))
            self.within = False
        self.lines.append((0, joined("return ", self.last())))
        return self.lines

    # --- statements -------------------------------------------------------------------

    def step(self, step: Step, module: str) -> None:
        inputs = self.taken(step, module)
        code = self.code(step, module, inputs)
        for value in step.inputs:
            self.left[value] -= 1
        if len(step.outputs) > 1:
            if step.outputs == self.made.outputs and not self.made.body.results:
                self.flush(_words(code.doc))
                self.whole = code.doc
                return
            self.flush(_words(code.doc))
            dead = self.dead(step.inputs)[::-1]
            names = ", ".join([self.variable(v, dead) for v in step.outputs])
            self.state(joined(f"{names} = ", code.doc))
            return
        (value,) = step.outputs
        self.waiting[value] = code
        if self.left[value] != 1 or (value in self.kept and len(self.ends) > 1):
            self.flush()

    def maybe(self, step: Step, condition: str) -> None:
        """A sum that not all instances of the class have."""
        self.flush()
        for value in step.inputs:
            self.left[value] -= 1
        first, (made,) = step.inputs[0], step.outputs
        code = self.code(step, "", [self.variable_of(value) for value in step.inputs])
        if self.left[first]:
            name = self.variable(made, [])
            self.state(f"{name} = {self.variables[first]}")
        else:
            name = self.variables.pop(first)
            self.variables[made] = name
        self.lines.append((0, f"if self.{condition}:"))
        self.lines.append((1, joined(f"{name} = ", code.doc)))

    def taken(self, step: Step, module: str) -> list[_Code]:
        """The inputs of a step: written out in place where that keeps the order."""
        inner = [value for value in step.inputs if value in self.waiting]
        behind = [*self.waiting][len(self.waiting) - len(inner) :]
        # The shape of what is reshaped is asked, so it has a name.
        named = isinstance(step.expr, Call) and step.expr.target == "reshape"
        if inner and inner == behind and not named:
            found = [self.waiting.get(v) or self.variable_of(v) for v in step.inputs]
            code = self.code(step, module, found)
            room = WIDTH - self.indent - len("return ")
            if code.depth <= DEEPEST and len(flat(code.doc)) <= room:
                for value in inner:
                    del self.waiting[value]
                return found
        if inner:
            self.flush()
        return [self.variable_of(value) for value in step.inputs]

    def flush(self, held: frozenset[str] = frozenset()) -> None:
        """Give a variable to all that waits, in order; ``held`` are words in use."""
        while self.waiting:
            value = next(iter(self.waiting))
            code = self.waiting.pop(value)
            used = held.union(*(_words(each.doc) for each in self.waiting.values()))
            dead = [
                v for v in self.dead(self.variables) if self.variables[v] not in used
            ]
            here = _words(code.doc)
            dead.sort(key=lambda v: self.variables[v] in here)
            self.state(joined(f"{self.variable(value, dead)} = ", code.doc))

    def state(self, doc: Doc) -> None:
        self.lines.append((int(self.within), doc))

    def dead(self, values: Iterable[int]) -> list[int]:
        return [v for v in values if v in self.variables and self.left[v] == 0]

    def variable_of(self, value: int) -> _Code:
        return _Code(self.variables[value])

    def variable(self, value: int, dead: Sequence[int]) -> str:
        """A variable for a value: that of one which nothing reads any more."""
        spare = next((v for v in reversed(dead) if v in self.variables), None)
        if spare is not None:
            name = self.variables.pop(spare)
        else:
            name = self.names.first(*_PLAIN, "x")
        self.variables[value] = name
        return name

    # --- results ----------------------------------------------------------------------

    def last(self) -> Doc:
        body = self.made.body
        if self.whole is not None:
            return self.whole
        if body.results:
            return self.result(body.results[0])
        docs = tuple(code.doc for code in self.given([*self.made.outputs]))
        if not docs[1:]:
            return docs[0]
        plain = ", ".join(map(flat, docs))
        fits = len("return ") + len(plain) <= WIDTH - self.indent
        return plain if fits else Brackets("(", docs, ")", display=True)

    def given(self, values: list[int]) -> list[_Code]:
        if [*self.waiting] != values:
            self.flush()
        return [self.waiting.get(v) or self.variable_of(v) for v in values]

    def result(self, ends: Sequence[tuple[str, int]]) -> Doc:
        """The one output, or all by name."""
        codes = self.given([value for _, value in ends])
        if [name for name, _ in ends] == ["output"]:
            return codes[0].doc
        items = [
            joined(f"{quoted(name)}: ", code.doc)
            for (name, _), code in zip(ends, codes, strict=True)
        ]
        return Brackets("{", tuple(items), "}", display=True)

    # --- expressions ------------------------------------------------------------------

    def code(self, step: Step, module: str, inputs: Sequence[_Code]) -> _Code:
        """A step as an expression."""
        depth = 1 + max((each.depth for each in inputs), default=0)
        if step.module:
            docs = tuple(each.doc for each in inputs)
            return _Code(Brackets(f"{module}(", docs, ")"), depth=depth)
        if not isinstance(step.expr, Call):
            raise TypeError(f"{step.path} is no call")
        held = [self.parameter(*each) for each in step.parameters]
        call = step.expr
        form = _FORMS.get(call.target)
        constants = {
            name or str(at): self.constant(each)
            for at, (name, each) in enumerate(call.arguments)
        }
        if form is not None:
            found = form([*inputs, *held], constants)
            if found is not None:
                return _Code(found.doc, found.binds, depth)
        return _Code(self.plain(call, inputs, held, constants), depth=depth)

    def plain(
        self,
        call: Call,
        inputs: Sequence[_Code],
        held: Sequence[_Code],
        constants: Mapping[str, str],
    ) -> Doc:
        """A call of the function as it is."""
        docs: list[Doc] = [each.doc for each in inputs]
        if call.target in ("torch.cat", "torch.stack"):
            docs = [Brackets("[", tuple(docs), "]", display=True)]
        docs += [each.doc for each in held]
        docs += [
            text if name.isdigit() or name == "dim" else f"{name}={text}"
            for name, text in constants.items()
        ]
        return Brackets(f"{call.target}(", tuple(docs), ")")

    def constant(self, expr: Expr) -> str:
        if isinstance(expr, Formula):
            return expr.text("self.")
        if isinstance(expr, Call):
            inner = ", ".join(self.constant(each) for _, each in expr.arguments)
            return f"({inner},)" if len(expr.arguments) == 1 else f"({inner})"
        return constant(expr.value) if isinstance(expr, Leaf) else "None"

    def parameter(self, path: str, view: tuple[int, ...] | None) -> _Code:
        code = self.places.reach(path)
        if view is None:
            return _Code(code)
        return _Code(f"{code}.view({', '.join(map(str, view))})")


def _words(doc: Doc) -> frozenset[str]:
    """The variables in an expression, and perhaps other words."""
    return frozenset(re.findall(r"\w+", flat(doc)))


# --- functions that read better as operators ------------------------------------------

_Form = Callable[[Sequence[_Code], Mapping[str, str]], "_Code | None"]


def _fold(sign: str, binds: int) -> _Form:
    def form(values: Sequence[_Code], constants: Mapping[str, str]) -> _Code:
        each = [*values, *(_Code(text) for text in constants.values())]
        if len(each) == 1:
            return each[0]
        first, *rest = each
        texts = [first.within(binds), *(v.within(binds + 1) for v in rest)]
        return _Code(f" {sign} ".join(texts), binds)

    return form


def _nest(target: str) -> _Form:
    def form(values: Sequence[_Code], constants: Mapping[str, str]) -> _Code:
        text = flat(values[0].doc)
        for each in values[1:]:
            text = f"{target}({text}, {flat(each.doc)})"
        return _Code(text)

    return form


def _matmul(values: Sequence[_Code], constants: Mapping[str, str]) -> _Code | None:
    texts: list[str] = []
    for value, name in zip(values, ("transpose", "transpose_by"), strict=True):
        flag = constants[name]
        if flag not in ("True", "False"):
            return None
        text = value.within(_ATOM if flag == "True" or texts else _PRODUCT)
        texts.append(f"{text}.mT" if flag == "True" else text)
    return _Code(" @ ".join(texts), _PRODUCT)


def _resize(values: Sequence[_Code], constants: Mapping[str, str]) -> _Code:
    x, like = values
    size = f"{like.within(_ATOM)}.shape[2:]"
    rest = tuple(f"{name}={text}" for name, text in constants.items())
    return _Code(Brackets("F.interpolate(", (x.doc, size, *rest), ")"))


def _reshape(values: Sequence[_Code], constants: Mapping[str, str]) -> _Code:
    x = flat(values[0].doc)
    return _Code(Brackets(f"{x}.reshape(", (f"{x}.shape[0]", *constants.values()), ")"))


_FORMS: Final[Mapping[str, _Form]] = {
    "add": _fold("+", _SUM),
    "multiply": _fold("*", _PRODUCT),
    "torch.add": _fold("+", _SUM),
    "torch.mul": _fold("*", _PRODUCT),
    "maximum": _nest("torch.maximum"),
    "minimum": _nest("torch.minimum"),
    "matmul": _matmul,
    "resize": _resize,
    "reshape": _reshape,
}
