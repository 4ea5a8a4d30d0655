"""Units, and the stages that they stand in, found by their paths.

A unit is what a network repeats: a sequence under a numbered path which has a merge or
several maps in it. Sequences that hold units are opened; what stands beside the units
stays as it is, under its whole path.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from resgen.graph.ir import INPUT
from resgen.ops.types import TensorType
from resgen.recovery.explain import fit
from resgen.recovery.numbered import numbered, outer, renamed
from resgen.recovery.numbered import opened as opened_names
from resgen.recovery.parts import (
    Part,
    Parts,
    bare,
    opened,
    sequence,
    stride,
    walk,
)
from resgen.recovery.unify import (
    called,
    closed,
    core,
    difference,
    entering,
    readings,
    reads,
)

_NUMBER = re.compile(r"\d+")
_LAST = re.compile(r"\d+\D*$")


#: How many stages there are at least where these have no block in common.
STAGES: Final = 3
#: Groups from this number on are of too little to be what a network is made of.
SLIGHT: Final = 1000
#: How many kinds of a group's bodies are compared with those of another at most.
_COMPARED: Final = 4
#: What of a template a unit may lack that stands among others of it.
AMONG: Final = 0.5


@dataclass(slots=True, eq=False)
class Unit:
    """One use of what is to become a block; ``path`` is absolute."""

    path: str
    body: Parts
    enters: TensorType
    leaves: TensorType
    group: int = -1  # units of one group are instances of one block
    start: str = ""  # the kept value that it begins with, if any
    name: str = ""  # that of what it yields, if that is kept
    number: int | None = None  # the one in its layers' names, where its path has none
    several: bool = False  # whether a list enters it

    @property
    def stride(self) -> int:
        """By how much the map gets smaller."""
        return stride(self.enters, self.leaves)

    def part(self) -> Part:
        """The unit as a plain sequence again."""
        made = sequence(self.path, self.body)
        return replace(made, start=self.start, name=self.name)


@dataclass(slots=True, eq=False)
class Stage:
    """Units in a row, with what stands before and after them."""

    units: list[Unit]
    path: str
    entry: Parts = field(default_factory=list)
    exit: Parts = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Table:
    """A network as stages between a stem and a head."""

    stem: Parts
    stages: list[Stage]
    head: Parts


def pattern(path: str) -> str:
    """The path without its numbers."""
    return _NUMBER.sub("*", path)


def number(path: str) -> int | None:
    """The last number of the path's last component."""
    found = _NUMBER.findall(path.rpartition(".")[2])
    return int(found[-1]) if found else None


def counted(path: str) -> str:
    """The path as far as to its last number."""
    names = path.split(".")
    while names and not _NUMBER.search(names[-1]):
        names.pop()
    return ".".join(names)


def joined(path: str, component: str) -> str:
    """A path within a path."""
    return f"{path}.{component}" if path and component else path or component


# --- units ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Kind:
    """What the sequences of one pattern hold."""

    merges: int = 0
    owned: int = 0  # operators with parameters that stand in them by themselves
    inner: int = 0  # sequences in them
    numbered: int = 0
    count: int = 0
    whole: bool = False  # whether one by itself is a unit, whatever is in it


def _kinds(body: Parts, path: str, found: dict[str, _Kind]) -> None:
    for part in body:
        if part.kind != "seq":
            continue
        at = joined(path, part.path)
        kind = found[pattern(at)]
        kind.count += 1
        for inner in part.bodies[0]:
            if inner.kind == "seq":
                kind.inner += 1
                kind.numbered += number(inner.path) is not None
            else:
                kind.merges += bool(inner.bodies)
                kind.owned += inner.owned
        _kinds(part.bodies[0], at, found)
    for part, after in pairwise(body):
        if _again(part, after):
            found[pattern(joined(path, part.path))].whole = True


def _again(part: Part, after: Part) -> bool:
    """Whether what follows a numbered sequence repeats what differs within that one.

    Then the two are units: each alternates between kinds of blocks.
    """
    if not (part.kind == after.kind == "seq" and number(part.path) is not None):
        return False
    if number(after.path) is None or not part.leaves == after.enters == after.leaves:
        return False
    inner = [_built(each) for each in _inner(part) if each.kind == "seq"]
    if len(inner) < 2 or all(each == inner[0] for each in inner):
        return False
    return bool(_built(part) == _built(after))


def _built(part: Part) -> Any:
    """Equal for sequences that are built alike by themselves."""
    return core(closed(part.bodies[0], ""))


def row(body: Parts) -> list[Unit | Part]:
    """The network in a row: units, and parts under their whole paths."""
    kinds: dict[str, _Kind] = defaultdict(_Kind)
    _kinds(body, "", kinds)
    read = Counter(name for part in walk(body) for name in readings(part))
    found = list(_row(body, "", kinds, INPUT, read))
    if not any(isinstance(item, Unit) for item in found):
        return list(_of_numbers([p for p in found if isinstance(p, Part)]))
    starts = {item.start for item in found}
    parts = [p for item in found if isinstance(item, Part) for p in walk([item])]
    for item in found:
        # What only the next unit reads has a name in that one.
        if not isinstance(item, Unit) or not item.name or item.name in starts:
            continue
        if not any(reads(part, item.name) for part in parts):
            item.name = ""
    for before, item in pairwise(found):
        if isinstance(item, Unit):
            item.several = _listed(_plain(before)) and not item.start
    return found


def _of_numbers(found: Parts) -> Iterator[Unit | Part]:
    """The row with units that the numbers in names tell."""
    for number, inner in numbered(found):
        if number is None:
            yield from inner
        else:
            body = closed(opened_names(inner, number), "")
            ends = inner[0].enters, inner[-1].leaves
            yield Unit("", body, *ends, number=number)


def _row(
    body: Parts, path: str, kinds: dict[str, _Kind], entered: str, read: Counter[str]
) -> Iterator[Unit | Part]:
    for part, name in entering(body, entered):
        at = joined(path, part.path)
        if part.kind != "seq" and path and not part.path:
            yield sequence(path, [part])
        elif part.kind != "seq":
            yield replace(part, path=at)
        elif _opened(kinds[pattern(at)], part):
            yield from _row(opened(part), at, kinds, name, read)
        elif number(at) is not None and _keeps(part, read):
            yield Unit(
                at,
                closed(part.bodies[0], name),
                part.enters,
                part.leaves,
                start=part.start,
                name=part.name,
            )
        else:
            yield replace(part, path=at)


def _keeps(part: Part, read: Counter[str]) -> bool:
    """Whether what has a name in a sequence is read in it alone, of all that ``read``.

    A block's values are known in it alone.
    """
    inside = list(walk(part.bodies[0]))
    names = {each.name for each in inside if each.name}
    own = Counter(n for each in inside for n in readings(each) if n in names)
    return all(read[name] == own[name] for name in names)


def _opened(kind: _Kind, part: Part) -> bool:
    """Whether the sequence holds units and is none."""
    if kind.whole:
        return False
    if _listed(part):
        return any(each.kind == "seq" and _listed(each) for each in _inner(part))
    if number(part.path) is None and _several(part):
        return True
    inner = list(_inner(part))
    if len(inner) > 1 and all(map(_rich, inner)):
        return True
    if kind.merges or (number(part.path) is not None and not inner):
        return False
    return bool(kind.inner) and kind.owned <= kind.inner


def _inner(part: Part) -> Iterator[Part]:
    """What has a number in a sequence, and in those in it that have none."""
    for each in part.bodies[0]:
        if number(each.path) is not None:
            yield each
        elif each.kind == "seq":
            yield from _inner(each)


def _listed(part: Part) -> bool:
    """Whether a part yields several values."""
    if part.kind != "seq":
        return part.kind == "list"
    return _listed(part.bodies[0][-1])


def _merged(part: Part) -> bool:
    """Whether branches meet right in a sequence."""
    return any(each.bodies and each.kind != "seq" for each in part.bodies[0])


def _rich(part: Part) -> bool:
    """Whether a sequence is a unit whatever its like: branches, and several maps."""
    return part.kind == "seq" and _merged(part) and part.maps > 1


def _several(part: Part) -> bool:
    """Whether numbered sequences stand in a row in it, or in one that it holds."""
    inner = [each for each in part.bodies[0] if each.kind == "seq"]
    if sum(number(each.path) is not None for each in inner) > 1:
        return True
    return any(number(each.path) is None and _several(each) for each in inner)


@dataclass(slots=True)
class Grouping:
    """Units by the block that they are of, and the number of each unit's."""

    blocks: list[list[Unit]]
    numbers: list[int]

    def told(self, units: Sequence[Unit], dropped: int = 0) -> bool:
        """Tell the units so; False if less is left than is ``dropped``.

        Blocks that the least of the network is made of are dropped first.
        """
        if dropped >= max(len(self.blocks), 1):
            return False
        for unit, number in zip(units, self.numbers, strict=True):
            unit.group = number
        for block in sorted(self.blocks, key=_weight)[:dropped]:
            for unit in block:
                unit.group = -1
        return True


def _weight(group: Sequence[Unit]) -> int:
    return sum(part.weight for unit in group for part in unit.body)


def groupings(
    units: Sequence[Unit],
    limits: Sequence[float],
    known: Callable[[Unit], str | None] = lambda unit: None,
) -> list[Grouping]:
    """Units by the block that they are of, in ways that differ, the coarsest first.

    Those that are built alike, shortcuts aside, are of one, and so are those of one
    block that is ``known``; then groups are joined, the most alike first, while no more
    than a limit of their template is missing in some.
    """
    at = {id(unit): n for n, unit in enumerate(units)}
    alike: dict[Any, list[Unit]] = defaultdict(list)
    for unit in units:
        alike[core(unit.body)].append(unit)
    blocks: dict[Any, list[Unit]] = defaultdict(list)
    for key, group in alike.items():
        largest = max(group, key=lambda unit: len(list(walk(unit.body))))
        blocks[known(largest) or key].extend(group)
    groups = [sorted(group, key=lambda u: at[id(u)]) for group in blocks.values()]
    scores: dict[tuple[int, int], float] = {}
    kept = []  # so that ids stay their own
    made: list[Grouping] = []
    for limit in sorted(limits):
        while True:
            for i, group in enumerate(groups):
                for other in groups[i + 1 :]:
                    pair = id(group), id(other)
                    if pair not in scores:
                        kinds = _kinds_of(group) + _kinds_of(other)
                        scores[pair] = difference(kinds)
            by = {
                (i, j): scores[id(groups[i]), id(groups[j])]
                for i in range(len(groups))
                for j in range(i + 1, len(groups))
            }
            i, j = min(by, key=by.__getitem__, default=(0, 0))
            if by.get((i, j), 1.0) > limit:
                break
            kept += [groups[i], groups[j]]
            joint = [*groups[i], *groups[j]]
            groups[i] = sorted(joint, key=lambda u: at[id(u)])
            del groups[j]
        made.insert(0, _grouping([list(group) for group in groups], units))
    rows = _in_series(units)
    if len(rows) < len(units):
        made.insert(0, _grouping(rows, units))
    return [
        g for n, g in enumerate(made) if g.numbers not in [m.numbers for m in made[:n]]
    ]


def _in_series(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units by the row of numbers that they stand in, whatever they are built like.

    That is where one follows another at the same size and width: others have no more
    in common than that they are numbered.
    """
    found: dict[str, list[Unit]] = defaultdict(list)
    alone: list[Unit] = []
    for unit in units:
        if _worthy([unit]):
            found[pattern(_series(unit))].append(unit)
        else:
            alone.append(unit)
    rows = [g for g in found.values() if any(map(_goes_on, g, g[1:]))]
    others = [unit for group in found.values() if group not in rows for unit in group]
    return [*rows, *([unit] for unit in (*others, *alone))]


def _goes_on(unit: Unit, after: Unit) -> bool:
    """Whether the next one of its row is of the same size and width."""
    same = after.enters.channels == after.leaves.channels and after.stride == 1
    return same and _series(unit) == _series(after)


def _grouping(groups: list[list[Unit]], units: Sequence[Unit]) -> Grouping:
    groups = _adopted(groups)
    worthy = [group for group in groups if _worthy(group)]
    found = [group for group in worthy if not _aside(group, worthy)]
    rest = [group for group in groups if group not in found]
    of = {
        id(unit): at if at < len(found) else SLIGHT + at
        for at, group in enumerate([*found, *rest])
        for unit in group
    }
    return Grouping(found, [of[id(unit)] for unit in units])


def _adopted(groups: list[list[Unit]]) -> list[list[Unit]]:
    """The groups, a unit of its own kind with those that it stands among."""
    lone = [group for group in groups if len(group) == 1]
    for group in lone:
        holder = _holder(group[0])
        for other in groups:
            among = other is not group and holder in map(_holder, other)
            if among and difference(_kinds_of(other) + _kinds_of(group)) <= AMONG:
                other.extend(group)
                other.sort(key=lambda unit: number(unit.path) or 0)
                groups = [each for each in groups if each is not group]
                break
    return groups


def _kinds_of(group: Sequence[Unit]) -> list[Parts]:
    """One body of each kind that is in the group; of many, some of all sizes."""
    found = {tuple(p.key() for p in u.body): u.body for u in group}
    kinds = sorted(found.values(), key=lambda body: sum(p.weight for p in body))
    if len(kinds) <= _COMPARED:
        return kinds
    last = len(kinds) - 1
    return [kinds[n * last // (_COMPARED - 1)] for n in range(_COMPARED)]


def _worthy(group: list[Unit]) -> bool:
    merges = any(p.bodies and p.kind != "seq" for u in group for p in u.body)
    return merges or sum(p.maps for p in group[0].body) > 1


def _aside(group: list[Unit], groups: Sequence[list[Unit]]) -> bool:
    """Whether what it stands in has a name where that of all others has a number."""

    def counted(units: list[Unit]) -> bool:
        return any(_NUMBER.search(_holder(unit)) for unit in units)

    others = [other for other in groups if other is not group]
    return bool(others) and not counted(group) and all(map(counted, others))


# --- stages ---------------------------------------------------------------------------


def _holder(unit: Unit) -> str:
    """The path of what a unit stands in."""
    return unit.path.rpartition(".")[0]


def _series(unit: Unit) -> str:
    """The path of a unit as far as to its last number: those of a stage have one."""
    holder = _holder(unit)
    return joined(holder, _LAST.sub("", unit.path[len(holder) :].lstrip("."))) + "."


def table(
    found: Sequence[Unit | Part], *, lone: bool = True, loose: bool = False
) -> Table:
    """Stages of the units in a row.

    ``lone`` ones may be a single unit of its kind. ``loose`` ones may go on where the
    number of channels changes, and a single unit may stand among others.
    """
    # A table changes its units.
    items = [replace(item) if isinstance(item, Unit) else item for item in found]
    counts: dict[int, int] = defaultdict(int)
    for item in items:
        if isinstance(item, Unit) and 0 <= item.group < SLIGHT:
            counts[item.group] += 1

    holders = {
        _series(item)
        for item in items
        if isinstance(item, Unit) and counts[item.group] > 1
    }
    shapes = Counter(pattern(path) for path in holders)
    several = {path for path in holders if shapes[pattern(path)] > 1}

    strides: dict[str, list[int]] = defaultdict(list)
    for item in items:
        if isinstance(item, Unit) and counts[item.group] > 1:
            strides[_series(item)].append(item.stride)
    striding = {path for path, by in strides.items() if min(by) > 1}

    def is_unit(item: Unit | Part) -> bool:
        if not isinstance(item, Unit):
            return False
        if counts[item.group] > 1:
            return True
        # One by itself, where others of its kind are stages: it is one, too.
        holder = _series(item)
        if holder in striding:
            return lone and item.stride > 1 and item.group < SLIGHT
        among = loose and item.group < SLIGHT
        return lone and (among or holder not in holders) and pattern(holder) in shapes

    at = [n for n, item in enumerate(items) if is_unit(item)]
    growing = _growing(item for item in items if isinstance(item, Unit))
    if loose:
        growing |= counts.keys()
    if not at:
        return Table([_plain(item) for item in items], [], [])
    stages: list[Stage] = []
    gap: Parts = []
    for item in items[at[0] : at[-1] + 1]:
        if not (isinstance(item, Unit) and is_unit(item)):
            gap.append(_plain(item))
            continue
        if stages and not gap and _together(stages[-1].units, item, several, growing):
            stages[-1].units.append(item)
            continue
        stages.append(Stage([item], _holder(item), gap))
        gap = []
    stem = [_plain(item) for item in items[: at[0]]]
    head = [_plain(item) for item in items[at[-1] + 1 :]]
    stages = _bridged(stages, growing)
    made = Table(stem, stages if loose else _entered(stages), head)
    _own_entry(made)
    _exits(made)
    _recalled(made)
    return made


def apart(found: Sequence[Unit | Part]) -> Table | None:
    """Stages that have no block in common; each begins where the map gets smaller.

    None where fewer than three numbered parts in a row make it smaller.
    """
    begin = [
        n
        for n, item in enumerate(found)
        if isinstance(item, Unit) and item.stride > 1 and _worthy([item])
    ]
    if len(begin) < STAGES:
        return None
    stages: list[Stage] = []
    gap: Parts = []
    end = begin[-1]
    for n, item in enumerate(found[begin[0] :], begin[0]):
        if isinstance(item, Unit) and n in begin:
            stages.append(Stage([item], _holder(item), gap))
            gap, end = [], n
            continue
        held = stages[-1].units
        if isinstance(item, Unit) and not gap and _series(item) == _series(held[0]):
            held.append(item)
            end = n
        else:
            gap.append(_plain(item))
    before, after = found[: begin[0]], found[end + 1 :]
    return Table(list(map(_plain, before)), stages, list(map(_plain, after)))


def undilated(made: Table) -> dict[int, int]:
    """Take dilation that stands for a stride out of the stages.

    Returns the stride of each stage where it has become dilation: its first block is as
    dilated as what is before it, the others by that much more.
    """
    strides: dict[int, int] = {}
    around = 1
    for at, stage in enumerate(made.stages):
        first, *others = [_dilation(unit.body) for unit in stage.units]
        if not others or first != around or len(set(others)) > 1:
            continue
        by = others[0] // around
        if by > 1 and stage.units[0].stride == 1:
            strides[at] = by
        if others[0] > 1:
            stage.units = [
                replace(unit, body=_spread(unit.body, d))
                for unit, d in zip(stage.units, (first, *others), strict=True)
            ]
        around = others[0]
    return strides


def _dilation(body: Parts) -> int:
    return max((p.attributes.get("dilation", 1) for p in walk(body)), default=1)


def _spread(body: Parts, by: int) -> Parts:
    """The body with so much less dilation."""
    made = []
    for part in body:
        said = dict(part.attributes)
        if by > 1 and said.get("dilation") == by:
            del said["dilation"]
        bodies = [_spread(inner, by) for inner in part.bodies]
        made.append(replace(part, attributes=said, bodies=bodies))
    return made


def _recalled(made: Table) -> None:
    """What is kept of the stages goes by the list that the language has of them."""
    names = {
        stage.units[-1].name: f"stages[{at}]"
        for at, stage in enumerate(made.stages)
        if stage.units[-1].name and not stage.exit
    }
    if names:
        for stage in made.stages:
            stage.units[-1].name = ""
            stage.entry = called(stage.entry, names)
        made.head = called(made.head, names)


def _entered(stages: list[Stage]) -> list[Stage]:
    """The stages, a first block that is of another kind as the entry of the others."""
    made: list[Stage] = []
    for stage in stages:
        before = made[-1] if made else None
        if (
            before is not None
            and _series(before.units[0]) == _series(stage.units[0])
            and len(before.units) == 1
            and min(before.units[0].stride, stage.units[0].stride) == 1
            and not stage.entry
            and before.units[0].group != stage.units[0].group
            and (len(made) < 2 or _series(made[-2].units[0]) != _series(stage.units[0]))
        ):
            stage.entry = [*before.entry, before.units[0].part()]
            made.pop()
        made.append(stage)
    return made


def _bridged(stages: list[Stage], growing: set[int]) -> list[Stage]:
    """The stages, those as one that a part of another path alone stands between.

    It is then the last of the unit before it, under a name that the numbers of stage
    and block tell.
    """
    made: list[Stage] = []
    ends: list[tuple[Unit, Parts]] = []
    numbers: dict[str, list[int]] = {"stage": [], "index": []}
    for stage in stages:
        before = made[-1] if made else None
        if before is None or not _bridges(before, stage, growing):
            made.append(replace(stage, units=list(stage.units)))
            continue
        numbers["stage"].append(len(made) - 1)
        numbers["index"].append(len(before.units) - 1)
        ends.append((before.units[-1], list(bare(stage.entry))))
        before.units += stage.units
    columns = zip(*(outer(body) for _, body in ends), strict=False)
    texts = [fit(column, numbers) for column in columns]
    if len({len(outer(body)) for _, body in ends}) != 1 or None in texts:
        return stages
    for unit, body in ends:
        unit.body = [*unit.body, *renamed(body, iter([f"/{text}" for text in texts]))]
        unit.leaves = body[-1].leaves
    return made


def _bridges(before: Stage, stage: Stage, growing: set[int]) -> bool:
    """Whether two stages are one but for a part that is at the end of the first."""
    (*_, last), (first, *_) = before.units, stage.units
    around = f"{counted(before.path)}."
    return (
        last.group == first.group
        and _series(last) == _series(first)
        and first.stride == 1
        and (last.leaves.channels == first.leaves.channels or first.group in growing)
        and any(part.owned for part in stage.entry)
        and stride(stage.entry[0].enters, stage.entry[-1].leaves) == 1
        and not any(part.start or part.name for part in walk(stage.entry))
        and not any(part.path.startswith(around) for part in stage.entry)
    )


def _plain(item: Unit | Part) -> Part:
    return item.part() if isinstance(item, Unit) else item


def _growing(units: Iterable[Unit]) -> set[int]:
    """The groups in which nearly all units change the number of channels."""
    inner = [unit for unit in units if unit.stride == 1]
    counts = Counter(unit.group for unit in inner)
    changes = Counter(
        unit.group for unit in inner if unit.enters.channels != unit.leaves.channels
    )
    return {group for group, n in counts.items() if changes[group] > 0.75 * n}


def _together(
    units: list[Unit], unit: Unit, several: set[str], growing: set[int]
) -> bool:
    """Whether a unit goes on with the stage of these.

    A value that is read further on goes by its stage, so that it ends one.
    """
    before = units[-1]
    if unit.group != before.group or before.name:
        return False
    ours, theirs = _series(before), _series(unit)
    if ours != theirs:
        return False
    if ours in several:
        return True
    same = unit.leaves.channels == before.leaves.channels
    return unit.stride == 1 and (same or unit.group in growing)


def _own_entry(made: Table) -> None:
    """What of the stem lies in the first stage is its entry, or it stays there."""
    first = made.stages[0]
    under = f"{counted(first.path)}."
    if len(under) > 1:
        while made.stem and made.stem[-1].path.startswith(under):
            first.entry.insert(0, made.stem.pop())


def _exits(made: Table) -> None:
    """Entries that stand after the last stage as well are exits."""
    stages = made.stages
    if len(stages) < 2 or stages[0].entry or not stages[1].entry:
        return
    if any(stage.units[-1].name for stage in stages[:-1]):
        return  # an exit has no name for what it is given
    shape = [part.key() for part in stages[1].entry]
    tail = [part.key() for part in made.head[: len(shape)]]
    owned = any(part.owned for part in stages[1].entry)
    named = all(
        not part.path or part.path.startswith(f"{counted(stage.path)}.")
        for before, stage in pairwise(stages)
        for part in stage.entry
    )
    if (shape == tail and not owned) or (owned and not named):
        for before, stage in pairwise(stages):
            before.exit, stage.entry = stage.entry, []
        if shape == tail and not owned:
            stages[-1].exit = made.head[: len(shape)]
            made.head = made.head[len(shape) :]
