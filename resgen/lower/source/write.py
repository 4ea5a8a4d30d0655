"""The file: what it imports, what it carries along, and a class for each block."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from textwrap import wrap

from resgen.graph.identity import identity
from resgen.graph.ir import GRAPH, Graph
from resgen.lower.source.bodies import bodies
from resgen.lower.source.carried import carried, imports, texts
from resgen.lower.source.classes import ABSENT, Argument, Class, classes
from resgen.lower.source.expressions import MAKE, Call, Expr, Leaf, Name, constant, walk
from resgen.lower.source.forward import Forward
from resgen.lower.source.layout import INDENT, WIDTH, Brackets, Doc, flat, joined, lines
from resgen.lower.source.naming import Namer
from resgen.lower.source.places import Place, attribute, index, statements
from resgen.lower.source.text import Writer
from resgen.options.kinds import argument
from resgen.words.terminal import printable

#: Names that mean something in every file.
_TAKEN = ("torch", "nn", "F", "Tensor", "Any", "math")


def to_python(graph: Graph) -> str:
    """The network as one readable PyTorch file that needs nothing but torch.

    Its last class is the network: it has the names of :func:`resgen.to_torch` in its
    ``state_dict`` and with the same numbers gives out the same, to the last bit, in
    evaluation and in training mode. Blocks are classes, with arguments where numbers
    differ. One graph gives one text. A graph whose parameters are folded, cast or
    quantised raises :class:`~resgen.errors.ResgenError`.
    """
    checked: Graph = argument("graph", GRAPH, graph)
    made = classes(bodies(checked), (*_TAKEN, *texts()))
    writer = Writer({each.name: each.signature for each in made})
    written = [_class(each, writer) for each in made]
    body = "\n\n\n".join(written)
    nodes = ast.walk(ast.parse(body))
    words = {node.id for node in nodes if isinstance(node, ast.Name)}
    helpers, more = carried(sorted(words & texts().keys()))
    head = [_docstring(checked, made[-1].name), *_imports(words | more)]
    # Import sorters want one line less before a constant.
    first = helpers[0] if helpers else body
    gap = "\n\n\n" if first.startswith(("def ", "class ")) else "\n\n"
    return "\n".join(head) + gap + "\n\n\n".join([*helpers, body]) + "\n"


def class_name(source: str) -> str:
    """The name of the network's class in such a file: the last one."""
    names: list[str] = re.findall(r"^class (\w+)\(", source, re.MULTILINE)
    return names[-1]


def _docstring(graph: Graph, name: str) -> str:
    """What the file is, and how the numbers come into it."""
    first = wrap(f"The network {_said(graph.name)}, in plain PyTorch.", WIDTH - 3)
    about = wrap(
        "It was written by resgen, of the network whose operators and wiring have "
        "this SHA-256:",
        WIDTH,
    )
    then = wrap(
        "Fresh, it has torch's own initial numbers. Those of weights that resgen has "
        "written have the same names:",
        WIDTH,
    )
    code = (
        "    from safetensors.torch import load_file",
        "",
        f"    model = {name}()",
        '    model.load_state_dict(load_file("weights.safetensors"))',
    )
    text = [*first, "", *about, "", f"    {identity(graph)}", "", *then, "", *code]
    return '"""' + "\n".join(text) + '\n"""\n'


def _imports(words: set[str]) -> Iterator[str]:
    """The lines that bring in what these words mean, as import sorters order them."""
    known = {name: line for name, line in imports().items() if name in words}
    plain = [line for line in known.values() if not line.startswith("from torch")]
    yield from sorted(plain)
    if plain:
        yield ""
    if "torch" in words:
        yield "import torch"
    short = [n for n in ("Tensor", "nn") if n in words]
    if short:
        yield f"from torch import {', '.join(short)}"
    if "F" in words:
        yield "from torch.nn import functional as F"


def _class(made: Class, writer: Writer) -> str:
    """The text of a class."""
    places, paths = _places(made, writer)
    listed = None if made.chained else index(places)
    calls = [places.reach(path) if path else "" for path in paths]
    base = "nn.Module" if listed is None else "nn.ModuleList"
    base = "nn.Sequential" if made.chained else base
    found = [f"class {made.name}({base}):", f'    """{_summary(made)}"""', ""]
    head = Brackets(
        "def __init__(", ("self", *map(_parameter, made.arguments)), ") -> None:"
    )
    found += lines(head, INDENT)
    if made.chained:
        each = [place for place in places.below.values() if place.made is not None]
        items = tuple("nn.Identity()" if p.condition else p.made or "" for p in each)
        found += lines(Brackets("super().__init__(", items, ")"), 2 * INDENT)
        for at, place in enumerate(each):
            if place.condition and place.made is not None:
                found.append(f"        if {place.condition}:")
                found += lines(joined(f"self[{at}] = ", place.made), 3 * INDENT)
        return "\n".join(found)
    found += lines("super().__init__()" if listed is None else listed, 2 * INDENT)
    stored: list[tuple[int, Doc]] = [(0, f"self.{n} = {n}") for n in made.stored]
    for depth, doc in (*stored, *statements(places)):
        found += lines(doc, (2 + depth) * INDENT)
    found.append("")
    forward = Forward(made, places, calls, writer)
    steps = forward.run()
    several = len(made.outputs) > 1 and not made.body.results
    given = "tuple[Tensor, ...]" if several else _result(made)
    inputs = tuple(f"{name}: Tensor" for name in forward.arguments)
    found += lines(
        Brackets("def forward(", ("self", *inputs), f") -> {given}:"), INDENT
    )
    for depth, doc in steps:
        found += lines(doc, (2 + depth) * INDENT)
    return "\n".join(found)


def _result(made: Class) -> str:
    """The type of what a network gives out."""
    named = [[n for n, _ in ends] != ["output"] for ends in made.body.results]
    if named and all(named):
        return "dict[str, Tensor]"
    return "Tensor | dict[str, Tensor]" if any(named) else "Tensor"


def _summary(made: Class) -> str:
    """A line of what a class is."""
    if not made.body.path:
        return "The whole network."
    kind = "The block" if made.body.block else "The part"
    return f"{kind} {_said(made.body.name)}."


def _said(name: str) -> str:
    """A name in a docstring, which nothing in it can end."""
    return printable(name).replace("\\", "/").replace('"', "'")


def _parameter(each: Argument) -> str:
    """An argument with its type and default."""
    kinds = sorted({_type(value) for value in each.values})
    kind = " | ".join(sorted(kinds, key=lambda k: k == "None"))
    end = "" if each.default is ABSENT else f" = {constant(each.default)}"
    return f"{each.name}: {kind}{end}"


def _type(value: object) -> str:
    if isinstance(value, Name):
        return "type[nn.Module]"
    if isinstance(value, tuple):
        inner = sorted({_type(each) for each in value})
        return f"tuple[{' | '.join(inner)}, ...]"
    return "None" if value is None else type(value).__name__


def _places(made: Class, writer: Writer) -> tuple[Place, list[str]]:
    """Where a class keeps its modules, and the path of each step's."""
    root = Place()
    kept = {path.partition(".")[0] for path in made.attributes}
    held = [step for step in made.steps if made.chained or not step.plain]
    kept |= {step.path.partition(".")[0] for step in held}
    names = Namer(kept | {*made.stored})
    shared: dict[tuple[str, str | None], str] = {}
    paths: list[str] = []
    for step, condition in zip(made.steps, made.conditions, strict=True):
        for path, _ in step.parameters:
            place = root.at(path)
            place.trained, expr = made.attributes[path]
            place.made, place.parameter = writer.doc(expr), True
        if not step.module:
            paths.append("")
            continue
        path = step.path
        doc = None if step.expr is None else writer.doc(step.expr)
        if step.plain and doc is not None and not made.chained:
            key = (flat(doc), condition)
            if key in shared:
                paths.append(shared[key])
                continue
            label = path.rpartition(".")[2]
            label = label if attribute(label) else _kind(step.expr)
            path = shared[key] = names(label)
        paths.append(path)
        if doc is not None:
            place = root.at(path)
            place.made, place.condition = doc, condition
    return root, paths


def _kind(expr: Expr | None) -> str:
    """A name for a module that has none: ``relu`` for ``nn.ReLU``."""
    for each in walk(expr) if expr else ():
        if isinstance(each, Leaf) and isinstance(each.value, Name):
            return each.value.text.rpartition(".")[2].lower()
        if isinstance(each, Call) and each.target not in (MAKE, ""):
            return each.target.rpartition(".")[2].lower()
    return "part"
