"""Templates written in the language: attributes as numbers, expressions, parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any, Final

from resgen.ops import OPERATORS, VOCABULARY
from resgen.recovery.explain import (
    Vector,
    condition,
    constant,
    expression,
    ratios,
    same,
)
from resgen.recovery.factor import FORMS, shape
from resgen.recovery.known import definition
from resgen.recovery.parts import MERGES, Part, Parts, walk
from resgen.recovery.unify import UNSAID, Slot, Template, template, weighs
from resgen.spec.params import REQUIRED, Param

#: What parameters for attributes are called.
_CALLED: Final = {"out": "mid", "to": "size", "by": "factor"}
_ORDINALS: Final = ("second", "third", "fourth", "fifth", "sixth", "seventh")
#: That an attribute need not be said.
_SILENT: Final = object()
#: Operators, and attributes of theirs, that a whole network may have alike.
_ALIKE: Final = {
    "act": ("type", "negative_slope", "approximate"),
    "norm": ("type", "eps", "momentum", "groups", "affine"),
    "conv": ("bias", "standardize", "standardize_eps", "gain"),
}
#: Activations that weigh what they are multiplied by.
_GATES: Final = ("sigmoid", "hardsigmoid", "softmax", "tanh")
#: Attributes that may say one number for all axes.
_AXES: Final = ("kernel", "stride", "padding", "dilation", "factor")
#: What leaves open whether a branch strides, so that a shortcut says when it projects.
_SHAPED: Final = ("flatten", "unflatten", "reshape", "windows", "unwindows")
#: How many elements that may be there a number goes by, and by how much less one each.
_FLAGS: Final = 4
_STEPS: Final = 4
#: Attributes that are numbers of channels.
_CHANNELS: Final = ("out", "groups", "to", "size", "start")


@dataclass(slots=True)
class Parameter:
    """A parameter of a block, with its value for every instance (None: any)."""

    kind: str
    values: list[Any]
    default: Any = REQUIRED


@dataclass(slots=True)
class Uses:
    """What is known of the instances of a block: names, by instance.

    Of a list that enters there are several numbers of channels, and none is told.
    """

    channels: list[int | None]
    width: list[int]
    stride: list[int]
    index: list[int]
    stage: list[int]

    @property
    def count(self) -> int:
        return len(self.channels)


Defaults = Mapping[str, Mapping[str, Any]]
#: What blocks that have norms are told where the network has none.
NO_NORM: Final = {"type": "none"}


def alike(bodies: Sequence[Parts]) -> dict[str, dict[str, Any]]:
    """What most operators of the network have, where it is not the language's own."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    values: dict[str, Any] = {}
    for body in bodies:
        for part in walk(body):
            for key in _ALIKE.get(part.kind, ()):
                value = part.attributes.get(key, UNSAID)
                if part.kind == "act" and value in _GATES:
                    continue
                counts.setdefault((part.kind, key), Counter())[repr(value)] += 1
                values[repr(value)] = value
    found: dict[str, dict[str, Any]] = {}
    for (kind, key), of in counts.items():
        most, times = of.most_common(1)[0]
        value = values[most]
        if value is not UNSAID and times > 1 and 3 * times > sum(of.values()):
            found.setdefault(kind, {})[key] = value
    if not any(part.kind == "norm" for body in bodies for part in walk(body)):
        found["norm"] = dict(NO_NORM)  # it was folded: built-in blocks leave it out
    return found


def shorthand(defaults: Defaults) -> dict[str, Any]:
    """Defaults as they are written: a string where an operator's kind is all."""
    made: dict[str, Any] = {}
    for kind, said in defaults.items():
        short = OPERATORS[kind].shorthand
        one = short is not None and list(said) == [short]
        made[kind] = said[short or ""] if one else dict(said)
    return made


class Writer:
    """Writes the template of some instances, and collects what differs as parameters.

    ``names`` tells which of ``width`` and ``stride`` the block may have, ``beside``
    what others are told in the same stages, which it may take as well: no parameter of
    its own has such a name.
    """

    def __init__(
        self,
        uses: Uses,
        defaults: Defaults,
        *,
        names: Sequence[str] = (),
        beside: Mapping[str, Parameter] | None = None,
    ) -> None:
        self.uses = uses
        self.defaults = defaults
        self.names = names
        self.beside = beside or {}
        self.params: dict[str, Parameter] = {}
        self.taken: set[str] = set()  # of `names`, those that were used
        self.acts: list[Any] | None = None  # the stage's activation by instance

    def body(self, made: Template) -> list[Any]:
        """A template as a body."""
        self._choose_act(made)
        return self._body(made, [True] * self.uses.count)

    def told(self, name: str, values: list[int]) -> Any:
        """A whole number: itself where it is one for all, else a parameter's name."""
        one = constant(values)
        return values[0] if one else self._parameter(name, "integer", values)

    # --- elements ---------------------------------------------------------------------

    def _body(self, made: Template, around: list[bool]) -> list[Any]:
        found = []
        before: dict[str, list[bool]] = {}  # what only some have, and which of them
        for slot in made:
            element = self._element(slot, around, before)
            if isinstance(element, dict) and "when" in element:
                before.setdefault(element["when"], slot.present)
            found.append(element)
        told = [e for e in found if isinstance(e, dict) and "when" in e]
        for one, other in combinations(told, 2):
            opposite = f"not {one['when']}" == other["when"]
            if opposite and shape(one) == shape(other):
                raise Unwritten("two versions of one body")
        return found

    def _branch(self, made: Template, around: list[bool]) -> Any:
        body = self._body(made, around)
        if len(body) == 1:
            only = body[0]
            if isinstance(only, dict) and "when" in only:
                return [[], only]  # without it the branch is there all the same
            return only
        return body

    def _optional(self, slot: Slot, around: list[bool]) -> Any:
        """A branch of a merge, which some instances may lack."""
        made = self._branch(slot.bodies[0], slot.present)
        if all(p for p, a in zip(slot.present, around, strict=True) if a):
            return made
        when = {"when": self._presence(slot, slot.present, around)}
        if isinstance(made, dict) and "when" not in made:
            return {**when, **made}
        return {**when, "seq": made}

    def _element(
        self, slot: Slot, around: list[bool], before: Mapping[str, list[bool]]
    ) -> Any:
        present = slot.present
        path = slot.path
        if slot.moves:
            path = f"{{{_place(slot.places, before)}}}"
        said: dict[str, Any] = {}
        if not all(p for p, a in zip(present, around, strict=True) if a):
            said["when"] = self._presence(slot, present, around)
        one = slot.one
        if one.start:
            said["from"] = one.start
        form = self._form(slot, path, present)
        if "as" in form and "as" in said:
            raise Unwritten(slot.path)
        made = {**said, **form}
        if one.share:
            made["share"] = True
        if slot.name:
            made["name"] = slot.name
        if list(made) == ["op"]:
            return made["op"]
        return made

    def _form(self, slot: Slot, path: str, present: list[bool]) -> dict[str, Any]:
        kind = slot.kind
        if kind == "":
            return {}
        if kind == "seq":
            return self._seq(slot, path, present)
        if kind == "use":
            return self._use_of(slot, path)
        if kind == "residual":
            return self._residual(slot, present)
        if kind in MERGES:
            made: dict[str, Any] = {
                kind: [self._optional(each, present) for each in slot.bodies[0]]
            }
        elif kind == "list":
            made = {kind: [self._branch(body, present) for body in slot.bodies]}
        elif kind == "outputs":
            bodies = [self._branch(body, present) for body in slot.bodies]
            made = {kind: dict(zip(slot.one.labels, bodies, strict=True))}
        elif kind == "item" and constant(slot.vector("at")):
            return {"item": slot.one.attributes["at"]}
        else:
            made = {"op": kind}
        if path:
            made["as"] = path
        keys = [*slot.said(), *(k for k in self.defaults.get(kind, {}))]
        for key in dict.fromkeys(keys):
            text = self._attribute(slot, key, present)
            if text is not _SILENT:
                made[key] = text
        return made

    def _use_of(self, slot: Slot, path: str) -> dict[str, Any]:
        name = slot.one.attributes["use"]
        given = {}
        for key in slot.said():
            if key != "use":
                param = definition(name)[key]
                usual = None if param.required else param.default
                values = [
                    None if p is None else p.attributes.get(key, usual)
                    for p in slot.parts
                ]
                given[key] = self._argument(slot, key, param, values)
        if self.acts is not None and "act" in definition(name):
            usual = self.defaults.get("act", {}).get("type", "relu")
            given.setdefault("act", {"op": "act", "type": usual})
        made = {"use": name}
        if path:
            made["as"] = path
        return {**made, "with": given} if given else made

    def _argument(self, slot: Slot, key: str, param: Param, values: list[Any]) -> Any:
        """What a part is given; shares may be written as text."""
        if constant(values):
            return self._number(slot, key, values)
        if any(isinstance(v, (str, dict, list)) for v in values):
            if param.kind not in ("number", "body"):
                raise Unwritten(f"{key} of {slot.kind}")
            name = self._parameter(_called(key), param.kind, values)
            return f"${name}" if param.kind == "body" else name
        return self._number(slot, key, values)

    def _seq(self, slot: Slot, path: str, present: list[bool]) -> dict[str, Any]:
        return within(path, self._body(slot.bodies[0], present))

    def _residual(self, slot: Slot, present: list[bool]) -> dict[str, Any]:
        branch, project, *pre = slot.bodies
        made: dict[str, Any] = {"residual": self._body(branch, present)}
        if pre:
            made = {"pre": self._body(pre[0], present), **made}
        shortcut: dict[str, Any] = {}
        merges = [
            None if part is None else part.attributes.get("merge", "add")
            for part in slot.parts
        ]
        changes = [
            None if part is None else part.enters != part.leaves for part in slot.parts
        ]
        if not constant(merges):
            same_shape = same([m and m == "none" for m in merges], changes)
            shortcut["merge"] = (
                "if-same"
                if same_shape and not project
                else "$" + self._parameter("merge", "string", merges)
            )
        if project:
            there = [
                None if part is None or merge == "none" else bool(part.bodies[1])
                for part, merge in zip(slot.parts, merges, strict=True)
            ]
            held = [bool(t) for t in there]
            shortcut["project"] = self._branch(project, held)
            unsure = False in there and any(
                p.kind in _SHAPED for part in slot.parts if part for p in walk([part])
            )
            if unsure or not same(there, changes):
                text: Any = "always"
                if False in there:
                    text = condition(there, self._known(self._here(slot)))
                    text = text or self._boolean("project", there)
                shortcut["when"] = text
            if pre:
                shortcut["tap"] = "pre"
        if shortcut:
            made["shortcut"] = shortcut
        return made

    # --- numbers ----------------------------------------------------------------------

    def _here(self, slot: Slot) -> list[int | None]:
        return [None if p is None else p.enters.channels for p in slot.parts]

    def _known(self, here: Sequence[int | None] = ()) -> dict[str, Vector]:
        """Names that conditions may be made of."""
        found: dict[str, Vector] = {}
        for name in self.names:
            found[name] = getattr(self.uses, name)
        found["channels"] = self.uses.channels
        found["index"] = self.uses.index
        return found

    def _presence(self, slot: Slot, present: list[bool], around: list[bool]) -> str:
        values = [p if a else None for p, a in zip(present, around, strict=True)]
        found = condition(values, self._known())
        if found is None:
            for name, parameter in self.params.items():
                if parameter.kind == "boolean" and same(values, parameter.values):
                    return name
            for name, parameter in self.params.items():
                if parameter.kind == "integer" and same(
                    values, [bool(v) and v > 0 for v in parameter.values]
                ):
                    return f"{name} > 0"
            inner = "squeeze" if weighs(slot.one) else slot.path or slot.kind
            name = _called(inner)
            # A parameter that is called as a form would be taken for one.
            found = self._boolean(f"has_{name}" if name in FORMS else name, values)
        self._use(found)
        return found

    def _boolean(self, name: str, values: Vector) -> str:
        for known, other in self.params.items():
            if other.kind == "boolean" and same(values, [not v for v in other.values]):
                return f"not {known}"
        return self._parameter(name, "boolean", list(values))

    def _use(self, text: str) -> None:
        for name in self.names:
            if re.search(rf"\b{name}\b", text):
                self.taken.add(name)

    def _choose_act(self, made: Template) -> None:
        """The activation that differs by stage, if there is one."""
        vectors: Counter[str] = Counter()
        by: dict[str, list[Any]] = {}
        for slot in _slots(made):
            if slot.kind == "act":
                values = self._values(slot, "type")
                if not constant(values) and self._by_stage(values):
                    vectors[repr(values)] += 1
                    by[repr(values)] = values
        for key, _ in vectors.most_common():
            if self.acts is None:
                self.acts = by[key]
            elif _agree(self.acts, by[key]):
                self.acts = _united(self.acts, by[key])

    def _by_stage(self, values: Vector) -> bool:
        stages: dict[int, set[str]] = {}
        for value, stage in zip(values, self.uses.stage, strict=True):
            stages.setdefault(stage, set()).add(repr(value))
        return all(len(found) == 1 for found in stages.values())

    def _values(self, slot: Slot, key: str) -> list[Any]:
        """An attribute by instance, what the language has where nothing is said.

        Padding has a number there only if some instance says one.
        """
        param = VOCABULARY[slot.kind].signature.get(key)
        usual = None if param is None or param.required else param.default
        parts = slot.parts
        values = [p if p is None else p.attributes.get(key, usual) for p in parts]
        if key == "padding" and any(v is not None for v in values):
            values = [
                _keeping(p) if v is None and p is not None else v
                for v, p in zip(values, parts, strict=True)
            ]
        return values

    def _attribute(self, slot: Slot, key: str, present: list[bool]) -> Any:
        if slot.kind not in VOCABULARY:
            values = slot.vector(key)
            if constant(values):
                return slot.one.attributes[key]
            raise Unwritten(f"{key} of {slot.kind}")
        param = VOCABULARY[slot.kind].signature[key]
        values = self._values(slot, key)
        around: Any = UNSAID if param.required else param.default
        around = self.defaults.get(slot.kind, {}).get(key, around)
        told = [v for v, p in zip(values, present, strict=True) if p]
        if slot.kind == "act" and key == "type" and self.acts is not None:
            if same(values, self.acts):
                return _SILENT
        elif all(v == around for v in told):
            return _SILENT
        if all(v is None for v in told):
            return None  # in spite of what the defaults say
        return self._number(slot, key, values)

    def _number(self, slot: Slot, key: str, values: list[Any]) -> Any:
        here = self._here(slot)
        channels = key in _CHANNELS
        if key == "groups" and same(values, here) and max(filter(None, values)) > 1:
            return "here"
        if key == "out" and same(values, here) and _depthwise(slot):
            return "here"
        if constant(values):
            value = next(v for v in values if v is not None)
            if self.uses.count == 1 or not channels or not self._narrow(values):
                return value
        lists = [v for v in values if isinstance(v, list)]
        if lists and key in _AXES:
            count = len(lists[0])
            values = [[v] * count if isinstance(v, int) else v for v in values]
            lists = [v for v in values if isinstance(v, list)]
        if lists and len({len(v) for v in lists}) == 1:
            columns = [
                [None if v is None else v[n] for v in values]
                for n in range(len(lists[0]))
            ]
            return [self._number(slot, "size", column) for column in columns]
        if any(isinstance(v, (str, list)) for v in values):
            kinds = {type(v) for v in values if v is not None}
            if kinds != {str}:
                raise Unwritten(f"{key} of {slot.kind}")
            return "$" + self._parameter(_called(key), "string", values)
        known = {n: getattr(self.uses, n) for n in self.names}
        sizes: dict[str, Vector] = {}
        if channels:
            known["here"] = here
            known["channels"] = self.uses.channels
            sizes = {n: v for n, v in known.items() if n != "stride"}
            for name, parameter in self.params.items():
                if parameter.kind == "channels":
                    sizes[name] = parameter.values
        elif key not in ("stride", "kernel", "padding", "dilation"):
            known.pop("stride", None)
        if not channels:
            known.pop("width", None)
        for name, parameter in self.params.items():
            if parameter.kind in ("integer", "channels", "number", "boolean"):
                known[name] = parameter.values
        text = expression(values, _filled(known, values), _filled(sizes, values))
        if text is not None:
            self._use(text)
            return text
        if channels:
            return self._size(slot, key, values, sizes)
        kinds = {type(v) for v in values if v is not None}
        kind = "boolean" if kinds == {bool} else "number"
        if kinds == {int}:
            kind = "integer"
        if kind == "boolean":
            return self._boolean(_called(key), values)
        return self._parameter(self._name(slot, key), kind, values)

    def _narrow(self, values: Vector) -> bool:
        """Whether a number that is one for all is told better by what it is of."""
        return "width" in self.names and same(values, self.uses.width)

    def _size(
        self, slot: Slot, key: str, values: list[Any], sizes: Mapping[str, Vector]
    ) -> str:
        """A parameter for a number of channels: itself, or a ratio if that is less."""
        best_cost, best = self._cost(values), None
        for name, vector in sizes.items():
            found = ratios(values, vector)
            if found is None or name == "here":
                continue
            if any(r is not None and r.denominator > 8 for r in found):
                continue
            cost = self._cost(found) + 1
            if cost < best_cost:
                best_cost, best = cost, (name, found)
        if best is None:
            kind = "channels" if key != "groups" else "integer"
            return self._parameter(self._name(slot, key), kind, values)
        name, found = best
        self._use(name)
        called = "expand" if all(r is None or r >= 1 for r in found) else "ratio"
        told = [None if r is None else _plain(r) for r in found]
        parameter = self._parameter(called, "number", told)
        return f"{name} * {parameter}"

    def _cost(self, values: Vector) -> float:
        """About how much a parameter of these values has to be said."""
        stages: dict[int, list[str]] = {}
        for value, stage in zip(values, self.uses.stage, strict=True):
            if value is not None:
                stages.setdefault(stage, []).append(str(value))
        total = 0.0
        usual = Counter(v[0] for v in stages.values()).most_common(1)[0][0]
        for told in stages.values():
            if len(set(told)) > 1:
                total += sum(len(t) + 1 for t in told) + 8
            elif told[0] != usual:
                total += len(told[0]) + 8
        return total

    def _name(self, slot: Slot, key: str) -> str:
        name = _CALLED.get(key, key)
        if name in self.params and slot.path:
            called = _called(slot.path)
            name = called if key == "out" else f"{called}_{name}"
        return name

    def _parameter(self, name: str, kind: str, values: list[Any]) -> str:
        """The name of a parameter of these values, made if there is none."""
        for known, parameter in self.params.items():
            if parameter.kind == kind and _agree(parameter.values, values):
                parameter.values = _united(parameter.values, values)
                return known
        for known, parameter in self.beside.items():
            if parameter.kind == kind and _agree(parameter.values, values):
                self.params[known] = parameter
                return known
        unique = name
        for ordinal in _ORDINALS:
            if unique not in {*self.params, *self.beside, *_RESERVED}:
                break
            unique = f"{ordinal}_{name}"
        self.params[unique] = Parameter(kind, list(values))
        return unique


class Unwritten(Exception):
    """The template is of a kind that the language has no readable form for."""


_RESERVED: Final = frozenset(
    {"width", "stride", "channels", "here", "index", "stage", "block", "blocks",
     "depth", "entry", "exit", "name", "body", "norm", "act", "wrap", "dilate",
     "precision", "doc", "min", "max", "len", "floor", "ceil", "round", "sqrt",
     "divisible", "conv", "linear", "input_shape", "and", "or", "not", "if", "else",
     "in", "true", "false"}
)  # fmt: skip


def _agree(a: Vector, b: Vector) -> bool:
    return all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


def _united(a: Vector, b: Vector) -> list[Any]:
    """The values of two that agree."""
    return [x if y is None else y for x, y in zip(a, b, strict=True)]


def _filled(known: Mapping[str, Vector], values: Vector) -> dict[str, Vector]:
    """The names that have a value wherever one is asked for."""
    return {
        name: [0 if v is None else v for v in vector]
        for name, vector in known.items()
        if all(v is None or k is not None for v, k in zip(values, vector, strict=True))
    }


def _plain(value: Fraction) -> Any:
    whole = value.denominator == 1
    return int(value) if whole else f"{value.numerator}/{value.denominator}"


def _keeping(part: Part) -> Any:
    """The padding that keeps the size of a map at stride 1: what none said stands for.

    None for windows of no such number.
    """
    kernel, dilation = part.attributes["kernel"], part.attributes.get("dilation", 1)
    if not isinstance(kernel, int) or not isinstance(dilation, int):
        return None
    return dilation * (kernel - 1) // 2


def within(path: str, inner: list[Any]) -> dict[str, Any]:
    """A body under a path, an element that is alone with the path on it."""
    if len(inner) == 1 and isinstance(inner[0], dict):
        only = inner[0]
        if not {"when", "from", "name", "share"} & set(only):
            if "as" in only:
                return {**only, "as": f"{path}.{only['as']}"}
            if "op" not in only:
                return {"as": path, **only}
    return {"as": path, "seq": inner}


def _place(places: Sequence[int | None], before: Mapping[str, list[bool]]) -> str:
    """A number that goes by which of the elements before are there."""
    for steps in product(range(_STEPS), repeat=min(len(before), _FLAGS)):
        told = list(zip(steps, before.items(), strict=False))
        rest = {
            place - sum(step * there[at] for step, (_, there) in told)
            for at, place in enumerate(places)
            if place is not None
        }
        if len(rest) > 1:
            continue
        first = rest.pop()
        terms = [(step, when) for step, (when, _) in told if step]
        if len(terms) == 1:
            step, when = terms[0]
            return f"{first + step} if {when} else {first}"
        more = [f"({step} if {when} else 0)" for step, when in terms]
        return " + ".join([*([f"{first}"] if first else []), *more])
    raise Unwritten("numbers in a row")


def _called(path: str) -> str:
    """A name for a parameter, from a path: letters alone."""
    words = re.findall(r"[a-zA-Z]+", path.rpartition(".")[2] or path)
    if not words:
        words = re.findall(r"[a-zA-Z]+", path)
    return "_".join(words).lower() or "part"


def _depthwise(slot: Slot) -> bool:
    return all(
        p is None or p.attributes.get("groups", 1) == p.enters.channels > 1
        for p in slot.parts
    )


def _slots(made: Template) -> list[Slot]:
    found = []
    for slot in made:
        found.append(slot)
        for body in slot.bodies:
            found.extend(_slots(body))
    return found


def literal(body: Parts, defaults: Defaults) -> list[Any]:
    """A body by itself, with its numbers."""
    if not body:
        return []
    uses = Uses([body[0].enters.channels], [body[-1].leaves.channels], [1], [0], [0])
    return Writer(uses, defaults).body(template([body]))
