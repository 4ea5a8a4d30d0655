"""What several bodies have in common: one template, and what differs by instance.

Bodies are laid side by side so that as much as possible of them stands together
(a longest common subsequence, weighted, of sequences within sequences). An element that
some instances lack is there under a condition; an attribute that differs is a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from resgen.ops import VOCABULARY
from resgen.recovery.parts import BRANCH, Part, Parts, walk

#: An attribute that an instance does not say.
UNSAID: Final = None
#: The share of a template that may be missing in some of its instances.
OPTIONAL: Final = 0.34
#: Attributes that are lists, which no parameter tells where they differ in length.
_LISTS: Final = ("axes", "to", "sizes", "shape")
#: What makes few numbers of a map.
_POOLS: Final = ("global_pool", "reduce_mean", "reduce_max")


@dataclass(slots=True, eq=False)
class Slot:
    """A part of a template; its lists have an item for each instance.

    ``parts`` are the instances' own parts (None where one lacks it).
    """

    kind: str
    path: str
    parts: list[Part | None]
    bodies: list[list[Slot]] = field(default_factory=list)

    @property
    def present(self) -> list[bool]:
        return [part is not None for part in self.parts]

    @property
    def places(self) -> list[int | None]:
        """The numbers that its paths are, by instance."""
        return [None if part is None else int(part.path) for part in self.parts]

    @property
    def moves(self) -> bool:
        """Whether its path is another number in some instances."""
        return len({part.path for part in self.parts if part is not None}) > 1

    @property
    def one(self) -> Part:
        """The part of the first instance that has one."""
        return next(part for part in self.parts if part is not None)

    @property
    def name(self) -> str:
        """That of the value, which some instances may have no use for."""
        return next((p.name for p in self.parts if p is not None and p.name), "")

    @property
    def weight(self) -> int:
        """Without what is in it."""
        return own(self.one)

    def said(self) -> list[str]:
        """Attributes that some instance says."""
        found: dict[str, None] = {}
        for part in self.parts:
            if part is not None:
                found.update(dict.fromkeys(part.attributes))
        return list(found)

    def vector(self, key: str) -> list[Any]:
        """An attribute by instance; it is nothing where the instance lacks the part."""
        return [p.attributes.get(key, UNSAID) if p else UNSAID for p in self.parts]


Template = list[Slot]


def own(part: Part) -> int:
    """The weight of a part without what is in it."""
    return part.weight - sum(p.weight for body in part.bodies for p in body)


def template(instances: Sequence[Parts]) -> Template:
    """What the bodies have in common, and what some of them have besides."""
    bodies = fitted(instances)
    count = len(bodies)
    made: Template = []
    seen: dict[Any, int] = {}
    for at, body in enumerate(bodies):
        key = tuple(part.key() for part in body)
        if key not in seen:
            seen[key] = at
            made = _Joining(at, count).aligned(made, body)
        else:
            _filled(made, body, at, seen[key])
    return made


def optional(made: Template, held: Sequence[bool] | None = None) -> tuple[int, int]:
    """The weight that not all instances have, and that of the whole template.

    Blocks of one kind may weigh their channels or not.
    """
    missing = total = 0
    for slot in made:
        present = slot.present
        around = held or [True] * len(present)
        if not all(p for p, h in zip(present, around, strict=True) if h):
            if weighs(slot.one):
                continue
            missing += slot.one.weight
            total += slot.one.weight
            continue
        total += slot.weight
        # A projection is there where the shape changes, which is no irregularity.
        inner = slot.bodies
        if slot.kind == "residual":
            inner = [body for n, body in enumerate(inner) if n != 1]
        for body in inner:
            m, t = optional(body, present)
            missing += m
            total += t
    return missing, total


def weighs(part: Part) -> bool:
    """Whether it multiplies what it is given by few numbers that it makes of it."""
    if part.kind == "seq" and len(part.bodies[0]) == 1:
        return weighs(part.bodies[0][0])
    if part.kind != "multiply" or len(part.bodies[0]) != 2:
        return False
    one, other = (list(walk(branch.bodies[0])) for branch in part.bodies[0])
    return not (one and other) and any(p.kind in _POOLS for p in (*one, *other))


def difference(instances: Sequence[Parts]) -> float:
    """Which share of their template some of the bodies lack."""
    missing, total = optional(template(instances))
    return missing / max(total, 1)


def core(body: Parts) -> Any:
    """Equal for bodies that are built alike, whatever their shortcuts."""
    at = _residual(body)
    if at is None:
        return tuple(part.key() for part in body)
    part = body[at]
    merge = () if part.path == "" else (part.path,)
    inner = [*body[:at], *part.bodies[0], *body[at + 1 :]]
    return *merge, *(each.key() for each in inner)


def fitted(instances: Sequence[Parts]) -> list[Parts]:
    """The bodies, those without a shortcut as residual ones where others have one."""
    around = [_residual(body) for body in instances]
    before = _before(instances, around)
    if before:
        return [
            _with_pre(body, at or 0, before)
            for body, at in zip(instances, around, strict=True)
        ]
    if all(a is None for a in around) or None not in around:
        return list(instances)
    plain = [b for b, at in zip(instances, around, strict=True) if at is None]
    if any(part.kind == "residual" for body in plain for part in body):
        return list(instances)
    tails = {
        len(body) - 1 for body, at in zip(instances, around, strict=True) if at == 0
    }
    if len(tails) != 1:
        return list(instances)
    tail = tails.pop()
    made = []
    for body, at in zip(instances, around, strict=True):
        if at is not None or len(body) <= tail:
            made.append(body)
            continue
        inner, after = (body[:-tail], body[-tail:]) if tail else (body, [])
        part = Part(
            "residual",
            attributes={"merge": "none"},
            bodies=[inner, []],
            enters=inner[0].enters,
            leaves=inner[-1].leaves,
            weight=sum(p.weight for p in inner) + 1,
            maps=sum(p.maps for p in inner),
            owned=True,
        )
        made.append([part, *after])
    return made


def _before(instances: Sequence[Parts], around: Sequence[int | None]) -> int:
    """How many parts stand before branch and shortcut where that projects.

    Where it does not they are the first of the branch: a pre-activation. 0 if not so.
    """
    if None in around or len(set(around)) != 2 or 0 not in around:
        return 0
    count = max(at or 0 for at in around)
    shape = None
    for body, at in zip(instances, around, strict=True):
        part = body[at or 0]
        first = body[:count] if at else part.bodies[0][:count]
        if bool(at) != bool(part.bodies[1]) or len(part.bodies[0]) <= count:
            return 0
        keys = [each.key() for each in first]
        if shape not in (None, keys) or any(each.name for each in first):
            return 0
        shape = keys
    return count


def _with_pre(body: Parts, at: int, count: int) -> Parts:
    """The body with a third one in its residual part: what comes before both sides."""
    part = body[at]
    branch, project = part.bodies
    pre = body[:at] if at else branch[:count]
    made = replace(
        part,
        bodies=[branch if at else branch[count:], project, pre],
        enters=body[0].enters if at else part.enters,
        weight=part.weight + (sum(p.weight for p in pre) if at else 0),
    )
    return [made, *body[at + 1 :]]


def _residual(body: Parts) -> int | None:
    """Where the body has its one residual element."""
    at = [n for n, part in enumerate(body) if part.kind == "residual"]
    return at[0] if len(at) == 1 else None


def _slot(part: Part, at: int, count: int) -> Slot:
    parts: list[Part | None] = [None] * count
    parts[at] = part
    bodies = [[_slot(p, at, count) for p in body] for body in part.bodies]
    return Slot(part.kind, part.path, parts, bodies)


def _filled(made: Template, body: Parts, at: int, like: int) -> None:
    """Add a body that is built as another instance is."""
    there = [slot for slot in made if slot.parts[like] is not None]
    for slot, part in zip(there, body, strict=True):
        slot.parts[at] = part
        for inner, own_body in zip(slot.bodies, part.bodies, strict=True):
            _filled(inner, own_body, at, like)


def _matches(slot: Slot, part: Part) -> bool:
    like = slot.one
    return (
        slot.kind == part.kind
        and (slot.path == part.path or _numbers(slot.path, part.path))
        and len(slot.bodies) == len(part.bodies)
        and like.start == part.start
        and (slot.name == part.name or not slot.name or not part.name)
        and like.share == part.share
        and like.labels == part.labels
        and _lengths(like) == _lengths(part)
    )


def _lengths(part: Part) -> list[int]:
    """How many numbers there are in what no parameter tells where that differs."""
    return [
        len(value)
        for key, value in part.attributes.items()
        if key in _LISTS and isinstance(value, list)
    ]


def _numbers(*paths: str) -> bool:
    """Whether these are places in a row, which go by what stands before them."""
    return all(path.isdecimal() for path in paths)


def _depthwise(part: Part) -> bool:
    """Whether it mixes no channels."""
    groups: int = part.attributes.get("groups", 1)
    return groups > 1 and groups == part.enters.channels


class _Joining:
    """One more instance being laid beside a template; what was compared is known."""

    def __init__(self, at: int, count: int) -> None:
        self.at = at
        self.count = count
        self.shared: dict[tuple[int, int], int] = {}
        self.scores: dict[tuple[int, int], list[list[int]]] = {}

    def common(self, slot: Slot, part: Part) -> int:
        """The weight that a slot and a part have in common."""
        key = id(slot), id(part)
        if key not in self.shared:
            self.shared[key] = self._common(slot, part)
        return self.shared[key]

    def _common(self, slot: Slot, part: Part) -> int:
        if not _matches(slot, part):
            return 0
        inner = 0
        for s, p in zip(slot.bodies, part.bodies, strict=True):
            inner += self.score(s, p)[0][0]
        if slot.kind == BRANCH and not inner and (slot.bodies[0] or part.bodies[0]):
            return 0  # branches that have nothing in common, or one of them is empty
        own = slot.weight + inner + 1 + (slot.path == part.path)
        return own + 2 * (_depthwise(slot.one) == _depthwise(part))

    def score(self, made: Template, body: Parts) -> list[list[int]]:
        """For all ends of both the greatest weight that they have in common."""
        key = id(made), id(body)
        if key in self.scores:
            return self.scores[key]
        best = [[0] * (len(body) + 1) for _ in range(len(made) + 1)]
        for i in range(len(made) - 1, -1, -1):
            for j in range(len(body) - 1, -1, -1):
                shared = max(best[i + 1][j], best[i][j + 1])
                if made[i].kind == body[j].kind:
                    both = self.common(made[i], body[j])
                    if both:
                        shared = max(shared, both + best[i + 1][j + 1])
                best[i][j] = shared
        self.scores[key] = best
        return best

    def aligned(self, made: Template, body: Parts) -> Template:
        """The template with the instance."""
        best = self.score(made, body)
        found: Template = []
        i = j = 0
        while i < len(made) or j < len(body):
            if i < len(made) and j < len(body):
                both = self.common(made[i], body[j])
                if both and best[i][j] == both + best[i + 1][j + 1]:
                    found.append(self._joined(made[i], body[j]))
                    i, j = i + 1, j + 1
                    continue
            if i < len(made) and (j == len(body) or best[i + 1][j] >= best[i][j + 1]):
                found.append(made[i])
                i += 1
            else:
                found.append(_slot(body[j], self.at, self.count))
                j += 1
        return found

    def _joined(self, slot: Slot, part: Part) -> Slot:
        inner = zip(slot.bodies, part.bodies, strict=True)
        bodies = [self.aligned(s, p) for s, p in inner]
        parts = list(slot.parts)
        parts[self.at] = part
        return replace(slot, parts=parts, bodies=bodies)


def _refers(kind: str, key: str) -> bool:
    """Whether an attribute names a kept value."""
    param = VOCABULARY[kind].signature.get(key) if kind in VOCABULARY else None
    return param is not None and param.kind == "value"


def closed(body: Parts, entered: str) -> Parts:
    """The body by itself: what enters it has a name in it, if it is asked for there.

    ``entered`` is its name outside. Kept values are called as in all other bodies that
    are built alike.
    """
    if entered and any(reads(part, entered) for part in walk(body)):
        enters = body[0].enters
        body = [Part("", name=entered, enters=enters, leaves=enters), *body]
    return renamed(body)


def reads(part: Part, name: str) -> bool:
    """Whether a part begins with a kept value, or takes it as a further input."""
    return name in readings(part)


def readings(part: Part) -> list[str]:
    """The kept values that a part begins with, or takes as further inputs."""
    more = [v for k, v in part.attributes.items() if _refers(part.kind, k)]
    return [part.start, *more] if part.start else more


def entering(body: Parts, name: str) -> Iterator[tuple[Part, str]]:
    """Each part with the name of the value that enters it, "" where it has none."""
    for part in body:
        yield part, part.start or name
        name = part.name


def renamed(body: Parts) -> Parts:
    """The body with its kept values called as in all others built like it."""
    names: dict[str, str] = {}
    for part in walk(body):
        if part.name:
            at = len(names)
            names.setdefault(part.name, "xyzuvw"[at % 6] * (at // 6 + 1))
    return called(body, names) if names else body


def called(body: Parts, names: Mapping[str, str]) -> Parts:
    """The body with kept values under other names."""

    def change(part: Part) -> Part:
        return replace(
            part,
            start=names.get(part.start, part.start),
            name=names.get(part.name, part.name),
            attributes={
                key: names.get(value, value) if _refers(part.kind, key) else value
                for key, value in part.attributes.items()
            },
            bodies=[[change(p) for p in b] for b in part.bodies],
        )

    return [change(part) for part in body]
