"""A spec put together of stages: names, blocks and their parameters, and ends.

A table tells which units are stages; what they have in common is written once, what
differs is told where they stand. A form that the language lacks is an error, and
another table is tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, TypeAlias

from resgen.graph.ir import Graph
from resgen.recovery.explain import affine, constant, fit
from resgen.recovery.known import definition, unused
from resgen.recovery.known import named as presets_of
from resgen.recovery.numbered import closed, outer, renamed
from resgen.recovery.parts import Parts, bare, opened, refolded, sequence, walk
from resgen.recovery.presets import (
    Presets,
    Sought,
    fitted,
    of_block,
    recognised,
)
from resgen.recovery.table import (
    AMONG,
    STAGES,
    Stage,
    Table,
    Unit,
    joined,
    number,
    undilated,
)
from resgen.recovery.unify import optional, template
from resgen.recovery.write import (
    Defaults,
    Parameter,
    Unwritten,
    Uses,
    Writer,
    literal,
    shorthand,
    within,
)
from resgen.spec.params import REQUIRED

#: The names that the language gives of itself.
_USUAL: Final = {
    "trunk": "",
    "stage": "layer{stage + 1}",
    "block": "{index}",
    "entry": "entry",
    "exit": "exit",
}


def sought_of(unit: Unit, first: bool) -> Sought:
    """What a built-in block would have to be, to be this unit."""
    return Sought(unit.body, unit.enters, unit.leaves.channels, unit.stride, first)


#: What the blocks of a stage are given, by name.
_Told: TypeAlias = dict[str, tuple[list[Any], Parameter]]


class Assembly:
    """A spec put together of a table's stages."""

    def __init__(
        self,
        graph: Graph,
        made: Table,
        defaults: Defaults,
        presets: Presets | None = None,
    ) -> None:
        self.presets = presets
        self.graph = graph
        self.table = made
        self.defaults = defaults
        self.names: dict[str, str] = {}
        self.said: dict[str, Any] = {}
        self.told: list[_Told] = [{} for _ in made.stages]
        self.blocks: dict[str, Any] = {}
        self.stages: list[dict[str, Any]] = [{} for _ in made.stages]
        self.undone = undilated(made) if presets is not None else {}
        self.first = made.stages[0].units[0] if made.stages else None
        # Where names of blocks go by no number: what is before it, and each stage's
        # first.
        self.starts: tuple[str, list[int]] | None = None

    def spec(self) -> dict[str, Any]:
        """The whole spec; :class:`Unwritten` where the language has no form for it."""
        if not self.table.stages:
            raise Unwritten("no stages")
        if any(u.start or u.name for s in self.table.stages for u in s.units):
            raise Unwritten("values that are kept on the way through the stages")
        lone = self._lone()
        self._name()
        self._bodies(lone)
        self._units()
        self._ends("entry")
        self._ends("exit")
        made: dict[str, Any] = {
            "resgen": 1,
            "name": self.graph.name,
            "input": list(self.graph.inputs[0].type.shape),
        }
        names = {k: v for k, v in self.names.items() if v != _USUAL[k]}
        if names:
            made["names"] = names
        stem = self._whole(self.table.stem, "stems")
        made["stem"] = self._body(self.table.stem) if stem is None else stem
        defaults = {**self.said, **shorthand(self.defaults)}
        if defaults:
            made["defaults"] = defaults
        made["stages"] = self.stages
        made["head"] = self._head(self.table.head)
        if self.blocks:
            made["blocks"] = self.blocks
        return made

    def _whole(self, body: Parts, of: str) -> Any:
        """A stem or head that is a built-in one, or None."""
        if self.presets is None or not body:
            return None
        folded = refolded(body)
        path = ""
        if len(folded) == 1 and folded[0].kind == "seq" and of == "heads":
            path, folded = folded[0].path, folded[0].bodies[0]
        enters = folded[0].enters
        sought = Sought(folded, enters, folded[-1].leaves.channels, 1)
        if of == "heads" and any(p.start.startswith("stages") for p in walk(folded)):
            return self._multiple(folded, self.presets)
        for name in presets_of(of):
            given = self.presets.found(name, sought, of="part")
            if given is None:
                continue
            if name == "classifier" and not path:
                return {"classes": folded[-1].leaves.channels, **given}
            if not given and not path:
                return name
            made: dict[str, Any] = {"use": name}
            if path:
                made["as"] = path
            if given:
                made["with"] = given
            return made
        return None

    def _multiple(self, body: Parts, presets: Presets) -> Any:
        """A built-in head of several stages, or None."""
        stages = [
            (*s.entry, *(u.part() for u in s.units), *s.exit)[-1].leaves
            for s in self.table.stages
        ]
        enters = self.graph.inputs[0].type
        last = f"stages[{len(stages) - 1}]"
        sought = Sought(
            body, enters, stages[-1].channels, 1, entered=last, stages=tuple(stages)
        )
        return presets.whole_head(sought)

    def _body(self, body: Parts) -> Any:
        return _only(self._literal(refolded(body)))

    def _literal(self, body: Parts, entered: str = "") -> list[Any]:
        if self.presets is not None:
            body = recognised(body, self.presets, entered)
        return literal(body, self.defaults)

    def _head(self, body: Parts) -> Any:
        head = self._whole(body, "heads")
        if head is not None:
            return head
        entered = f"stages[{len(self.stages) - 1}]"
        return _only(self._literal(refolded(body), entered))

    # --- names ------------------------------------------------------------------------

    def _name(self) -> None:
        stages = self.table.stages
        trunk = self._trunk()
        if trunk:
            self.names["trunk"] = trunk
            self.table.stem = [
                replace(part, path=part.path[len(trunk) + 1 :])
                for part in self.table.stem
            ]
        paths = [stage.path[len(trunk) :].lstrip(".") for stage in stages]
        numbers = list(range(len(stages)))
        text = fit(paths, {"stage": numbers})
        if (text is None or "'" in text) and self._widened(trunk):
            text = None
        if text is None:
            for made, stage in zip(self.stages, stages, strict=True):
                made["name"] = stage.path[len(trunk) :].lstrip(".")
        else:
            self.names["stage"] = text
        units = list(self._placed())
        of = [unit.path[len(stage.path) :].lstrip(".") for stage, _, _, unit in units]
        known = {
            "index": [index for _, _, index, _ in units],
            "block": list(range(len(units))),
            "stage": [at for _, at, _, _ in units],
        }
        text = fit(of, known)
        if text is None or "'" in text:
            self.starts = self._started(of)
            text = text if self.starts is None else ""
        if text is None:
            raise Unwritten("names of blocks")
        self.names["block"] = text
        self._number(known)

    def _widened(self, trunk: str) -> bool:
        """Whether stages can be what their blocks stand in with what is at the ends."""
        stages = self.table.stages
        wider = [stage.path.rpartition(".")[0] for stage in stages]
        ends = [
            part.path.startswith(f"{path}.")
            for path, stage in zip(wider, stages, strict=True)
            for part in (*stage.entry, *stage.exit)
            if part.owned
        ]
        if not ends or not all(ends) or not all(p.startswith(trunk) for p in wider):
            return False
        for stage, path in zip(stages, wider, strict=True):
            stage.path = path
        return True

    def _started(self, names: Sequence[str]) -> tuple[str, list[int]] | None:
        """What names of blocks have in common, and the number that each stage is at."""
        found = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
        heads = {match and match[1] for match in found}
        starts: dict[int, set[int]] = {}
        for match, (_, at, index, _) in zip(found, self._placed(), strict=True):
            starts.setdefault(at, set()).add(int(match[2]) - index if match else -1)
        firsts = [starts.get(at, {0}) for at in range(len(self.stages))]
        head = heads.pop()
        if heads or head is None or any(len(f) > 1 or min(f) < 0 for f in firsts):
            return None
        return head, [first.pop() for first in firsts]

    def _number(self, known: Mapping[str, list[int]]) -> None:
        """Tell the numbers in the names of units that have no path of their own."""
        units = [unit for _, _, _, unit in self._placed()]
        numbers = [unit.number for unit in units if unit.number is not None]
        if not numbers:
            return
        text = affine(numbers, known) if len(numbers) == len(units) else None
        if text is None:
            raise Unwritten("numbers in names")
        for unit in units:
            unit.body = closed(unit.body, text)

    def _trunk(self) -> str:
        """The path that the whole of stem and stages stands under."""
        stem = [part.path for part in self.table.stem if part.owned]
        paths = [*stem, *(stage.path for stage in self.table.stages)]
        trunk = ""
        while stem:
            more = joined(trunk, paths[0][len(trunk) :].lstrip(".").partition(".")[0])
            under = all(path.startswith(f"{more}.") for path in paths)
            if not under or number(more) is not None:
                break
            trunk = more
        return trunk

    def _placed(self) -> Iterator[tuple[Stage, int, int, Unit]]:
        for at, stage in enumerate(self.table.stages):
            for index, unit in enumerate(stage.units):
                yield stage, at, index, unit

    # --- blocks -----------------------------------------------------------------------

    def _units(self) -> None:
        groups: dict[int, list[tuple[int, int, Unit]]] = {}
        for _, at, index, unit in self._placed():
            groups.setdefault(unit.group, []).append((at, index, unit))
        usual = Counter(s.units[0].group for s in self.table.stages if s.units)
        if not usual:
            if len(self.stages) < STAGES:
                raise Unwritten("no blocks")
            return
        most = usual.most_common(1)[0][0]
        for group, placed in groups.items():
            name = self._block(placed)
            stages = sorted({at for at, _, _ in placed})
            if group == most:
                self.said = {"block": name, **self.said}
            else:
                for at in stages:
                    self.stages[at] = {"block": name, **self.stages[at]}
        for made, stage in zip(self.stages, self.table.stages, strict=True):
            if stage.units:
                made["depth"] = len(stage.units)
        for at in self.undone:
            self.stages[at]["dilate"] = True

    def _lone(self) -> dict[int, list[Unit]]:
        """Stages of one unit that no block is, whose units are taken out of them."""
        counts = Counter(unit.group for _, _, _, unit in self._placed())
        found = {}
        for at, stage in enumerate(self.table.stages):
            unit = stage.units[0]
            if unit.group >= 0 and counts[unit.group] > 1:
                continue
            sought = sought_of(unit, unit is self.first)
            if self.presets is not None and of_block(sought, self.presets):
                continue
            found[at], stage.units = stage.units, []
        return found

    def _bodies(self, lone: Mapping[int, list[Unit]]) -> None:
        """What is no block is a body under its name in its stage."""
        for at, units in lone.items():
            around = self.table.stages[at].path
            body = [
                sequence(unit.path[len(around) :].lstrip("."), unit.body)
                for unit in units
            ]
            self.stages[at]["body"] = _only(self._literal(body))

    def _block(self, placed: Sequence[tuple[int, int, Unit]]) -> str:
        uses = Uses(
            channels=[None if u.several else u.enters.channels for *_, u in placed],
            width=[u.leaves.channels for _, _, u in placed],
            stride=[
                self.undone.get(at, u.stride) if index == 0 else 1
                for at, index, u in placed
            ],
            index=[index for _, index, _ in placed],
            stage=[at for at, _, _ in placed],
        )
        names = ["width"]
        if max(uses.stride) > 1:
            names.append("stride")
        writer = Writer(uses, self.defaults, names=names)
        bodies = [u.body for _, _, u in placed]
        if self.presets is not None:
            for _ in range(2):  # what fits most of them is known after the first time
                bodies = [
                    recognised(unit.body, self.presets, outer=unit.enters.channels)
                    for _, _, unit in placed
                ]
            builtin = self._builtin(writer, placed, self.presets)
            if builtin is not None and self.starts is None:
                self._tell(writer, placed)
                return builtin
            writer = Writer(uses, self.defaults, names=names)
        body = writer.body(template(bodies))
        if self.starts is not None:
            head, firsts = self.starts
            start = writer.told("start", [firsts[at] for at in uses.stage])
            shift = "index" if start == 0 else f"index + {start}"
            body = [within(f"{head}{{{shift}}}", body)]
        name = self._definition(writer, body, "block")
        self._tell(writer, placed)
        return name

    def _builtin(
        self,
        writer: Writer,
        placed: Sequence[tuple[int, int, Unit]],
        presets: Presets,
    ) -> str | None:
        """The built-in block that all of these units are, its arguments told."""
        seeking = [sought_of(unit, unit is self.first) for _, _, unit in placed]
        made = fitted(seeking, presets)
        if made is None:
            return None
        params = definition(made.name)
        said: dict[str, Any] = {}
        told: dict[str, Parameter] = {}
        act = self.defaults.get("act", {}).get("type", "relu")
        acts = [given.get("act", act) for given in made.arguments]
        if not _even(acts, writer.uses.stage):
            return None
        for key, param in params.items():
            if not any(key in given for given in made.arguments):
                continue
            values = [given.get(key, param.default) for given in made.arguments]
            parameter = Parameter(param.kind, values, param.default)
            usual = _usual(values, writer.uses.stage)
            if usual != param.default and usual is not None:
                if self.said.get(key, usual) != usual:
                    return None
                said[key] = parameter.default = usual
            if param.kind in ("body", "list") and not _even(values, writer.uses.stage):
                return None
            told[key] = parameter
        self.said.update(said)
        writer.params = told
        writer.acts = acts
        writer.taken = {"width", "stride"} & set(params)
        return made.name

    def _definition(self, writer: Writer, body: list[Any], wanted: str) -> str:
        params: dict[str, Any] = {}
        if "width" in writer.taken:
            params["width"] = {"type": "channels"}
        if "stride" in writer.taken:
            params["stride"] = {"type": "integer", "default": 1}
        for key, parameter in writer.params.items():
            params[key] = {"type": parameter.kind}
            if key not in writer.beside:
                default = _usual(parameter.values, writer.uses.stage)
                parameter.default = REQUIRED if default is None else default
            if parameter.default is not REQUIRED:
                params[key]["default"] = parameter.default
        made: dict[str, Any] = {"params": params} if params else {}
        made["body"] = _only(body)
        for known, other in self.blocks.items():
            if other == made:
                return known
        name = unused(wanted, self.blocks)
        self.blocks[name] = made
        return name

    def _tell(self, writer: Writer, placed: Sequence[tuple[int, int, Unit]]) -> None:
        """What the stages say of a block's parameters."""
        for at in sorted({at for at, _, _ in placed}):
            rows = [n for n, each in enumerate(placed) if each[0] == at]
            made = self.stages[at]
            if "width" in writer.taken:
                made["width"] = _series([writer.uses.width[n] for n in rows])
            if "stride" in writer.taken:
                stride = writer.uses.stride[rows[0]]
                if stride != (1 if at == 0 else 2):
                    made["stride"] = stride
            if writer.acts is not None:
                act = next((writer.acts[n] for n in rows if writer.acts[n]), None)
                if act not in (None, self.defaults.get("act", {}).get("type", "relu")):
                    made["act"] = act
            for key, parameter in writer.params.items():
                self.told[at][key] = [parameter.values[n] for n in rows], parameter
            for key, parameter in writer.params.items():
                values = [parameter.values[n] for n in rows]
                usual = parameter.default
                told = [usual if v is None else v for v in values]
                if any(v is REQUIRED for v in told):
                    raise Unwritten("a value that nothing tells")
                if any(v != usual for v in told):
                    made[key] = _series(told)

    # --- entries and exits ------------------------------------------------------------

    def _ends(self, which: str) -> None:
        stages = self.table.stages
        bodies = [(at, getattr(s, which)) for at, s in enumerate(stages)]
        there = [(at, body) for at, body in bodies if body]
        if not there:
            return
        relative = self._end_names(which, there)
        texts = [self._literal(body) for body in relative]
        texts_ = list(map(_only, texts))
        first = texts_[0]
        if len(there) > 1 and len(there) > len(stages) / 2:
            shared = first if all(t == first for t in texts_) else None
            if shared is None:
                shared = self._end_block(which, there, relative)
            if shared is not None:
                self.said[which] = shared
                for at, body in bodies:
                    if not body:
                        self.stages[at][which] = []
                return
        for (at, _), text in zip(there, texts_, strict=True):
            self.stages[at][which] = text

    def _end_names(self, which: str, there: list[tuple[int, Parts]]) -> list[Parts]:
        """The bodies under paths of their own; the path that they share is a name."""
        stages = self.table.stages
        relative, prefixes = [], []
        for _, body in there:
            folded = refolded(list(bare(body)))
            prefix = ""
            while (at := _only_named(folded)) is not None:
                prefix = joined(prefix, folded[at].path)
                folded = [*folded[:at], *opened(folded[at]), *folded[at + 1 :]]
            prefixes.append(prefix)
            relative.append(folded)
        if not any(p.owned for body in relative for p in body):
            return relative
        inside = [
            _below(p, stages[at].path)
            for p, (at, _) in zip(prefixes, there, strict=True)
        ]
        numbers = {"stage": [at for at, _ in there]}
        text = None
        if all(p is not None for p in inside):
            text = fit([p or "" for p in inside], numbers)
        if text is None:
            text = fit(prefixes, numbers)
            text = None if text is None else f"/{text}"
        if text is None or text == "/":
            text = ""
            absolute = self._absolute(there, numbers)
            if absolute is not None:
                self.names[which] = text
                return absolute
            # Each under names of its own: in its stage, or from the root.
            relative = [_own(body, stages[at].path) for at, body in there]
        self.names[which] = text
        return relative

    def _absolute(
        self, there: list[tuple[int, Parts]], numbers: Mapping[str, list[int]]
    ) -> list[Parts] | None:
        """The bodies under whole names that the stage's number tells, if it does."""
        bodies = [refolded(list(bare(body))) for _, body in there]
        names = [outer(body) for body in bodies]
        if len(there) < 2 or len({len(found) for found in names}) > 1:
            return None
        texts = [fit(column, numbers) for column in zip(*names, strict=True)]
        if any(text is None for text in texts):
            return None
        return [renamed(body, iter([f"/{text}" for text in texts])) for body in bodies]

    def _end_block(
        self, which: str, there: list[tuple[int, Parts]], relative: list[Parts]
    ) -> Any:
        stages = self.table.stages
        placed = [
            (at, 0, Unit("", body, body[0].enters, body[-1].leaves))
            for (at, _), body in zip(there, relative, strict=True)
        ]
        strides = [unit.stride for _, _, unit in placed]
        takes = which == "entry"
        uses = Uses(
            channels=[u.enters.channels for _, _, u in placed],
            width=[
                (stages[at].units or [u])[-1].leaves.channels for at, _, u in placed
            ],
            stride=strides,
            index=[0] * len(placed),
            stage=[at for at, _, _ in placed],
        )
        names = ["width"] if any("width" in stage for stage in self.stages) else []
        if takes and max(strides) > 1 and "stride" not in str(self.blocks):
            names.append("stride")
        beside = self._beside([at for at, _ in there])
        writer = Writer(uses, self.defaults, names=names, beside=beside)
        made = template([u.body for _, _, u in placed])
        missing, total = optional(made)
        if missing > AMONG * total:
            return None
        try:
            body = writer.body(made)
        except Unwritten:
            return None
        if not writer.params and not writer.taken:
            return _only(body)
        wanted = "downsample" if which == "entry" else which
        name = self._definition(writer, body, wanted)
        for at, _, _ in placed:
            if "width" in writer.taken:
                self.stages[at].pop("width", None)
        self._tell(writer, placed)
        return name

    def _beside(self, stages: Sequence[int]) -> dict[str, Parameter]:
        """What these stages are told for their blocks, one value for a stage.

        What only some have, or what differs within one, is of no kind: a name alone.
        """
        made: dict[str, Parameter] = {}
        for name in dict.fromkeys(name for told in self.told for name in told):
            told = [self.told[at][name] for at in stages if name in self.told[at]]
            if len(told) == len(stages) and all(constant(values) for values, _ in told):
                one = told[0][1]
                made[name] = replace(one, values=[values[0] for values, _ in told])
            else:
                made[name] = Parameter("", [])
        return made


def _own(body: Parts, around: str) -> Parts:
    """Parts under their paths in what is around them; from the root if outside it."""
    body = [part if part.owned else replace(part, path="") for part in body]
    inside = [(name, _below(name, around)) for name in outer(body)]
    names = (f"/{name}" if below is None else below for name, below in inside)
    return refolded(renamed(body, names))


def _below(path: str, around: str) -> str | None:
    """The path relative to one around it; None where it lies elsewhere."""
    if not around or path == around:
        return path[len(around) :]
    return path[len(around) + 1 :] if path.startswith(f"{around}.") else None


def _only_named(body: Parts) -> int | None:
    """Where the sequence is that all parameters of a body stand in, if there is one."""
    owned = [at for at, part in enumerate(body) if part.owned]
    return owned[0] if len(owned) == 1 and body[owned[0]].kind == "seq" else None


def _only(body: list[Any]) -> Any:
    """A body as it is written: an element by itself if it is the only one."""
    return body[0] if len(body) == 1 else body


def _series(values: list[Any]) -> Any:
    """Values of the blocks of a stage: one for all, a rule, or a list."""
    if all(v == values[0] for v in values):
        return values[0]
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        step = values[1] - values[0]
        if len(values) > 2 and all(b - a == step for a, b in pairwise(values)):
            return f"{values[0]} + {step} * index"
    if len(values) > 2 and values == [values[n % 2] for n in range(len(values))]:
        even, odd = values[:2]
        if isinstance(odd, bool):
            return f"index % 2 == {int(odd)}"
        if not even and isinstance(odd, int):
            return f"{odd} * (index % 2)"
    return values


def _even(values: Sequence[Any], stages: Sequence[int]) -> bool:
    """Whether the values differ between stages alone."""
    by = dict(zip(stages, values, strict=True))
    return all(v == by[at] for v, at in zip(values, stages, strict=True))


def _usual(values: Sequence[Any], stages: Sequence[int]) -> Any:
    """The value that most stages have for all their blocks."""
    told: dict[int, list[Any]] = {}
    for value, stage in zip(values, stages, strict=True):
        if value is not None:
            told.setdefault(stage, []).append(value)
    one = [v[0] for v in told.values() if all(x == v[0] for x in v)]
    some = one or [v[0] for v in told.values()]
    if not some:
        return None
    most = Counter(map(repr, some)).most_common(1)[0][0]
    return next(v for v in some if repr(v) == most)
