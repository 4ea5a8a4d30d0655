"""From an ONNX file to a network as it was read, nothing folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from resgen.errors import ResgenError, did_you_mean
from resgen.graph.ir import INPUT, OUTPUT
from resgen.importing.flat import Collector, Flat, Note, Tensor, around
from resgen.importing.onnx.handlers import HANDLERS
from resgen.importing.onnx.scopes import scopes
from resgen.importing.onnx.source import FileCalls, Source, owner_of, readers
from resgen.importing.onnx.trace import FileNode, Traced, trace
from resgen.importing.outputs import output_names
from resgen.importing.rules import simplified
from resgen.importing.unspoken import UNSPOKEN, Unknown
from resgen.importing.views import Seen, Unread, View
from resgen.onnxfile.paths import deepest, module_path, path_of_weight
from resgen.ops.base import ShapeError, Unreadable
from resgen.spec.paths import fault

#: Element types that a network is read from as float32.
_STORED: Final = {"float16": "fp16", "bfloat16": "bf16"}


def read(path: Path, *, size: Sequence[int] | None = None, cut: str = "") -> Flat:
    """The network in an ONNX file, as it stands there.

    ``size`` is that of one input where the file leaves axes open. With ``cut`` it ends
    at the node of that name, whose value it then gives out. A file that is damaged,
    and operators of which ours say nothing (all of them in one message), are a
    :class:`ResgenError`.
    """
    return of_traced(trace(path, size), cut)


def of_traced(traced: Traced, cut: str) -> Flat:
    """The network in a file that was run already; see :func:`read`."""
    reader = Reader(traced, cut)
    flat = simplified(reader.flat())
    reader.check_spoken(flat)
    return replace(flat, notes=(*flat.notes, *reader.dropped(flat)))


class Reader(Source):
    """Reads the nodes of a traced file in order; ``calls`` are what it writes with."""

    def __init__(self, traced: Traced, cut: str) -> None:
        self.traced = traced
        self.cut = cut
        self.nodes = self._needed()
        (self.batch, *shape) = traced.shape
        self.turn = self._turn()
        shape = [shape[axis - 1] for axis in self.turn[1:]]
        to = Collector(traced.path.stem, str(traced.path), shape)
        self.calls = FileCalls(to, self.batch)
        self.seen: dict[str, Seen] = {traced.input: self._input()}
        self.paths = {node.name: self._path(node) for node in self.nodes}
        if not any(self.paths.values()):
            self.paths = scopes(self.nodes, self._named())
        self.calls.modules = self._modules()
        self.calls.holding = {up for path in self.calls.modules for up in around(path)}
        self.inner = {above for path in self.paths.values() for above in around(path)}
        self.troubles: dict[str, str] = {}
        self.scales, self.precision = {}, self._stored_in()
        to.tensors[INPUT] = Tensor(
            traced.input, tuple(axis - 1 for axis in np.argsort(self.turn)[1:])
        )

    def flat(self) -> Flat:
        """What was read; where something cannot be, an operator stands in its place."""
        for node in self.nodes:
            self._read(node)
        asked = self._outputs()
        outputs = []
        for name, tensor in asked.items():
            seen = self.seen.get(tensor)
            if not isinstance(seen, View):
                raise ResgenError(
                    f'{self.traced.path}: the output "{tensor}" does not depend on the '
                    "input"
                )
            try:
                value = self.calls.standard(seen)
            except Unread as error:
                raise ResgenError(
                    f'{self.traced.path}: the output "{tensor}" cannot be given out: '
                    f"{error}"
                ) from error
            rank = self.calls.to.types[value].rank
            if value == INPUT and tensor != self.traced.input:
                raise ResgenError(
                    f'{self.traced.path}: the output "{tensor}" is the input as it is',
                    hint="leave that output out of the file",
                )
            self.calls.to.tensors[value] = Tensor(tensor, tuple(range(rank)))
            outputs.append((name, value))
        flat = self.calls.to.flat(outputs)
        return replace(flat, precision=self.precision, scales=self.scales)

    def check_spoken(self, flat: Flat) -> None:
        """Refuse what was not read, and what no rule has found a word for."""
        makers = {name: node for node in self.nodes for name in node.outputs}
        for part in flat.graph.nodes:
            if isinstance(part.op, UNSPOKEN) and not isinstance(part.op, Unknown):
                after = flat.graph.consumers.get(part.name, ())
                own = [part.name, *(reader.name for reader in after)]
                tensors = [flat.tensors[v].name for v in own if v in flat.tensors]
                node = next((makers[t] for t in tensors if t in makers), None)
                name = node.name if node else part.name
                self.troubles[name] = node.op_type if node else part.op.name
                if node and node.op_type == "MaxPool":
                    self.troubles[name] += (
                        ": its sides are padded unevenly, and what it reads may be "
                        "negative"
                    )
        if self.troubles:
            raise self._refusal()

    # --- one node ---------------------------------------------------------------------

    def _read(self, node: FileNode) -> None:
        path = self.paths[node.name]
        own = self.traced.producer == "resgen"  # every path is one operator's
        leaf = path != "" and (own or path not in self.inner)
        self.calls.leaf, self.calls.scope = path if leaf else None, path
        run = self.traced.shapes
        if run.keys().isdisjoint(node.outputs):
            if any(name in self.seen and name not in run for name in node.inputs):
                self._unknown(node)  # what it reads is told of already
            else:
                self._fail(node, "ONNX Runtime has no such operator")
            return
        try:
            found = self._made(node)
        except (Unread, Unreadable, ShapeError) as error:
            self._fail(node, str(error))
            return
        for name, seen in zip(node.outputs, found, strict=False):
            self.seen[name] = seen
            if isinstance(seen, View):
                # One tensor may be known already.
                self.calls.to.tensors.setdefault(seen.value, self.placed(name, seen))
                self._scale(node, name, seen)

    def _made(self, node: FileNode) -> Sequence[Seen]:
        if not any(name in self.seen for name in node.inputs):
            raise Unread("it draws random numbers")
        if (handler := HANDLERS.get(node.op_type)) is not None:
            made = handler(self, node)
            return made if isinstance(made, list) else [made]
        if (op := readers().get(node.op_type)) is not None:
            return [self.operator(op, node)]
        raise Unread("")

    # --- names and places -------------------------------------------------------------

    def _path(self, node: FileNode) -> str:
        """The module that a node says it is of; "" where it says none that can be."""
        if self.traced.producer == "resgen":
            path = node.name.partition("/")[0]
        elif node.scopes:
            path = deepest(node.scopes) or ""
        elif "/" in node.name.strip("/"):
            path = module_path(node.name)
        else:
            path = ""
        return path if fault(path) is None else ""

    def _modules(self) -> set[str]:
        """The modules with numbers, by the names of those or of what reads them."""
        arrays = {n for n in self.traced.initializers if self.traced.values[n].size > 1}
        found = {path for name in arrays if (path := path_of_weight(name))}
        reading = (n for n in self.nodes if not arrays.isdisjoint(n.inputs))
        return found.union(self.paths[node.name] for node in reading)

    def _named(self) -> dict[str, str]:
        """The modules of the nodes that have weights with the names of paths."""
        stored = set(self.traced.initializers)
        found = {}
        for node in self.nodes:
            own = (n for n in node.inputs if n in stored and "." in n)
            if path := next(filter(None, map(owner_of, own)), None):
                found[node.name] = path
        return found

    def _scale(self, node: FileNode, tensor: str, seen: View) -> None:
        """Integers that were only moved stand for numbers as they did before."""
        kind = self.traced.values[tensor].dtype
        given = self.seen.get(node.inputs[0])
        if kind.name not in ("int8", "uint8") or not isinstance(given, View):
            return
        before = self.scales.get(given.value)
        if before is not None and seen.value not in self.scales:
            placed = self.placed(tensor, seen)
            self.scales[seen.value] = replace(before, tensor=placed)

    # --- the whole --------------------------------------------------------------------

    def _outputs(self) -> dict[str, str]:
        """Tensors by the names that outputs go by."""
        if self.cut:
            return {OUTPUT: self.nodes[-1].outputs[0]}
        names = self.traced.outputs
        if len(names) == 1:
            return {OUTPUT: names[0]}
        theirs = list(dict.fromkeys(names))
        return dict(zip(output_names(theirs), theirs, strict=True))

    def _needed(self) -> list[FileNode]:
        """The nodes that the outputs depend on, or the node that it is cut at."""
        nodes = self.traced.nodes
        wanted = set(self.traced.outputs)
        if self.cut:
            wanted = {n.outputs[0] for n in nodes if self.cut in (n.name, n.outputs[0])}
            if not wanted:
                names = [name for n in nodes for name in (n.name, *n.outputs)]
                raise ResgenError(
                    f'{self.traced.path} has no node "{self.cut}" that depends on its '
                    f"input{did_you_mean(self.cut, names)}",
                    hint="names are those of the file's nodes, or of what they yield",
                )
        kept = []
        for node in reversed(nodes):
            if not wanted.isdisjoint(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return kept[::-1]

    def _stored_in(self) -> str:
        """What the file's own numbers are of, if less than float32."""
        kinds = {a.dtype.name for a in self.traced.constants.values() if a.size > 1}
        return next((p for d, p in _STORED.items() if d in kinds), "fp32")

    def _turn(self) -> tuple[int, ...]:
        """The order in which every reader of the input wants its axes."""
        readers = [n for n in self.nodes if self.traced.input in n.inputs]
        turns = {
            tuple(n.attributes.get("perm", ())) if n.op_type == "Transpose" else ()
            for n in readers
        }
        (turn, *others) = turns or {()}
        usual = tuple(range(len(self.traced.shape)))
        channels_last = (0, len(usual) - 1, *usual[1:-1])
        absorbed = len(usual) > 3 and not others and turn == channels_last
        return turn if absorbed else usual

    def _input(self) -> View:
        seen = self.calls.seen(INPUT)
        return View(INPUT, tuple(seen.axes[axis] for axis in np.argsort(self.turn)))

    def _fail(self, node: FileNode, why: str) -> None:
        """Remember what cannot be read; the rest is read as if it were there."""
        self.troubles[node.name] = f"{node.op_type}: {why}" if why else node.op_type
        self._unknown(node)

    def _unknown(self, node: FileNode) -> None:
        seen = (self.seen.get(name) for name in node.inputs)
        reads = [x.value for x in seen if isinstance(x, View)] or [INPUT]
        for name in node.outputs:
            if name:
                shape = self.traced.shapes.get(name, (self.batch, 1))
                made = self.calls.emit(Unknown(shape=tuple(shape[1:])), reads)
                self.seen[name] = self.calls.seen(made)

    def _refusal(self) -> ResgenError:
        """All that cannot be read, the first of it in full."""
        found = sorted(self.troubles.items(), key=lambda item: self._at(item[0]))
        (first, what), *rest = found
        kind, colon, why = what.partition(": ")
        message = f'{self.traced.path}: the node "{first}" ({kind}) cannot be read'
        message += f": {why}" if colon else ", no operator of a spec does what it does"
        others: dict[str, list[str]] = {}
        for name, also in rest:
            others.setdefault(also.partition(": ")[0], []).append(name)
        if others:
            listed = (
                f"{kind} ({names[0]}"
                + (f" and {len(names) - 1} more)" if names[1:] else ")")
                for kind, names in others.items()
            )
            message += f"; neither can {', '.join(listed)}"
        before = next(
            (n.name for n in reversed(self.nodes[: self._at(first)]) if n.outputs), ""
        )
        hint = f'cut at "{before}" it can be read' if before else None
        return ResgenError(message, hint=hint)

    def _at(self, name: str) -> int:
        return next((i for i, n in enumerate(self.nodes) if n.name == name), 0)

    def dropped(self, flat: Flat) -> Iterator[Note]:
        """Of every initialiser that no operator has, what became of it."""
        placed = {s for sources in flat.sources.values() for s in sources}
        read = {name for node in self.nodes for name in node.inputs}
        for name in self.traced.initializers:
            if name in placed:
                continue
            if name in read:
                why = "a number that an operator has as an attribute"
            else:
                why = "of shapes, or of what no output depends on"
            yield Note("dropped", name, why, (name,))
