"""What a network repeats, found by its structure alone: units, and stages of them.

A body is read as a row of tokens, one for each element. Merges are compared by what
their branches compute, shortcuts and attention aside, so that the first block of a
stage is of the kind of the others; what no shortcut surrounds (the first inverted
residual of a stage) is taken for a unit where it resembles one. The shortest row of
tokens that repeats is a unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final

from resgen.graph.ir import Graph
from resgen.ops.base import is_map
from resgen.ops.types import TensorType
from resgen.recovery.body import Body, Element, walk

#: How alike two rows of tokens are that compute alike, from 0 to 1.
ALIKE: Final = 0.6
#: How alike a row is to the branch of a residual that it is taken for.
_RESEMBLES: Final = 0.7
#: Rows that are longer are compared whole.
_COMPARED: Final = 400
#: How many tokens a unit may have.
_LONGEST: Final = 12
#: The share of the best coverage that a shorter unit has to have.
_ENOUGH: Final = 0.5
#: The key of a merge that begins the network, which is of the stem.
_STEM: Final = "stem"
#: What stands between stages.
_POOLS: Final = ("max_pool", "avg_pool", "blur_pool", "resize", "upsample")
#: After these there are no units.
_HEAD: Final = ("global_pool", "flatten")


@dataclass(slots=True, eq=False)
class Item:
    """Elements in a row that count as one: an operator, or a merge and what is in it.

    ``key`` is equal for items that compute alike. What is optional in a unit
    (attention, dropout) belongs to the item before it.
    """

    key: str
    elements: Body
    enters: TensorType
    maps: int  # convolutions and linear maps in it

    @property
    def leaves(self) -> TensorType:
        """The type of the value that it yields."""
        for element in reversed(self.elements):
            if element.node is not None:
                return element.node.type
        return self.enters


@dataclass(slots=True, eq=False)
class Unit:
    """What is repeated, once; those of one ``kind`` are built alike."""

    kind: int
    items: list[Item]

    @property
    def elements(self) -> Body:
        return [element for item in self.items for element in item.elements]

    @property
    def enters(self) -> TensorType:
        return self.items[0].enters

    @property
    def leaves(self) -> TensorType:
        return self.items[-1].leaves

    @property
    def widens(self) -> bool:
        """Whether it changes the number of channels."""
        return self.enters.channels != self.leaves.channels

    @property
    def strides(self) -> bool:
        """Whether it changes the size of the map."""
        return self.enters.spatial != self.leaves.spatial


@dataclass(slots=True, eq=False)
class Stage:
    """Units in a row at one width and size, and what stands before them."""

    units: list[Unit]
    entry: Body = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Layout:
    """A network as stages between a stem and a head; without stages all is stem."""

    stem: Body
    stages: list[Stage]
    head: Body


def layout(body: Body, graph: Graph) -> Layout:
    """The stages of a whole network."""
    row = found(body, graph.inputs[0].type, first=True)
    growing = _growing(row)
    made = Layout([], [], [])
    loose: Body = []
    units = [at for at, each in enumerate(row) if isinstance(each, Unit)]
    for at, each in enumerate(row):
        if isinstance(each, Item):
            loose.extend(each.elements)
            continue
        after = row[at + 1] if at + 1 < len(row) else None
        if at == units[0]:
            made.stem = loose
            made.stages.append(Stage([each]))
        elif loose or _begins(each, made.stages[-1].units[-1], after, growing):
            made.stages.append(Stage([each], loose))
        else:
            made.stages[-1].units.append(each)
        loose = []
    if units:
        made.head = loose
    else:
        made.stem = loose
    return made


def found(body: Body, enters: TensorType, *, first: bool = False) -> list[Item | Unit]:
    """The units of a body, and the items between them.

    ``first`` says that the body begins the network; its first map is of the stem.
    """
    kinds = _Kinds()
    items = list(_items(body, enters, kinds))
    items = _wrapped(items, kinds, first=first)
    start = next((item for item in items if item.maps), None)
    if first and start is not None and start.key.isdigit():
        start.key = _STEM
    row: list[Item | Unit] = list(items)
    for kind in range(_LONGEST):
        pattern = _pattern(row)
        if not pattern:
            break
        row = list(_matched(row, pattern, kind))
    return list(_led(_alternating(row), kinds))


def _begins(
    unit: Unit, before: Unit, after: Item | Unit | None, growing: set[int]
) -> bool:
    """Whether a unit begins a stage, after a unit that nothing stands behind."""
    if unit.kind != before.kind:
        return True
    widens = unit.widens and unit.kind not in growing
    if not unit.strides or widens:
        return widens
    # Where the last unit of each stage strides, the next one widens.
    return not (isinstance(after, Unit) and after.widens and not after.strides) or (
        unit.kind in growing
    )


def _growing(row: Sequence[Item | Unit]) -> set[int]:
    """The kinds of units that change the number of channels as they go.

    They end in a concatenation, or nearly all of them do it.
    """
    units = [each for each in row if isinstance(each, Unit)]
    counts = Counter(unit.kind for unit in units)
    widening = Counter(unit.kind for unit in units if unit.widens)
    joined = {u.kind for u in units if any(e.kind == "concat" for e in u.elements)}
    return joined | {kind for kind in counts if widening[kind] > 0.75 * counts[kind]}


# --- tokens ---------------------------------------------------------------------------


class _Kinds:
    """Rows of tokens of merges; those that are alike are of one kind."""

    def __init__(self) -> None:
        self.first: list[tuple[str, ...]] = []  # the first row of each kind
        self.rows: dict[tuple[str, ...], int] = {}
        self.projected: set[int] = set()  # where a shortcut has maps

    def of(self, element: Element) -> int:
        """The kind of a merge."""
        row = tokens([element])
        if row not in self.rows:
            near = (n for n, other in enumerate(self.first) if alike(row, other))
            kind = next(near, len(self.first))
            if kind == len(self.first):
                self.first.append(row)
            self.rows[row] = kind
        kind = self.rows[row]
        around = shortcut(element)
        if around is None or maps(around):
            self.projected.add(kind)
        return kind

    def branches(self) -> dict[tuple[str, ...], int]:
        """The branches of residuals whose shortcuts are without maps, by their kind."""
        return {
            row[:-1]: kind
            for row, kind in self.rows.items()
            if row[1:] and kind not in self.projected
        }


def alike(a: Sequence[str], b: Sequence[str]) -> float:
    """The share that two rows of tokens have in common, or 0 if they compute apart."""
    if a == b:
        return 1.0
    if a[-1:] != b[-1:] or max(len(a), len(b)) > _COMPARED:
        return 0.0
    ratio = SequenceMatcher(None, a, b, autojunk=False).ratio()
    return ratio if ratio >= ALIKE else 0.0


def token(element: Element) -> str:
    """What an operator is, its numbers aside; of a convolution, what it mixes."""
    node = element.node
    if node is None or node.op.name != "conv":
        return element.kind
    kernel = node.op.kernel  # type: ignore[attr-defined]
    groups = node.op.groups  # type: ignore[attr-defined]
    if groups > 1 and groups == node.op.out:  # type: ignore[attr-defined]
        return "depthwise"
    whole = kernel if isinstance(kernel, tuple) else (kernel,)
    return "conv" if max(whole) > 1 else "pointwise"


def tokens(body: Body) -> tuple[str, ...]:
    """A body as a row of tokens: shortcuts, attention and dropout are left out."""
    made: list[str] = []
    for element in body:
        if optional(element):
            continue
        for branch in element.branches:
            if branch is not shortcut(element):
                made.extend(tokens(branch))
        made.append(token(element))
    return tuple(made)


def maps(body: Iterable[Element]) -> int:
    """How many convolutions and linear maps there are."""
    return sum(e.node is not None and is_map(e.node.op) for e in walk(list(body)))


def optional(element: Element) -> bool:
    """Whether a unit of one kind may have it or not."""
    node = element.node
    return attention(element) is not None or (
        node is not None and node.op.training_only
    )


def attention(element: Element) -> Body | None:
    """The body that weighs a value which it is computed from by few numbers."""
    if element.kind != "multiply" or len(element.branches) != 2:
        return None
    for this, other in (element.branches, element.branches[::-1]):
        if not this and other and all(e.kind not in ("add", "concat") for e in other):
            pools = {"global_pool", "reduce_mean", "reduce_max"}
            if pools & {e.kind for e in walk(other)}:
                return other
    return None


def shortcut(element: Element) -> Body | None:
    """The branch of a sum that goes around the other; None if there is none."""
    if element.kind != "add" or len(element.branches) != 2:
        return None
    one, other = sorted(element.branches, key=maps)
    if one and (maps(one) > 1 or maps(other) < 2 or any(e.branches for e in one)):
        return None
    return one


def _items(body: Body, enters: TensorType, kinds: _Kinds) -> Iterator[Item]:
    last: Item | None = None
    for element in body:
        if last is not None and optional(element):
            last.elements.append(element)
            last.maps += maps([element])
            continue
        if last is not None:
            yield last
            enters = last.leaves
        key = token(element)
        if element.branches and element.kind != "outputs":
            key = f"{kinds.of(element)}"
        last = Item(key, [element], enters, maps([element]))
    if last is not None:
        yield last


# --- units ----------------------------------------------------------------------------


def _wrapped(items: list[Item], kinds: _Kinds, *, first: bool) -> list[Item]:
    """The items, those in a row together that resemble a residual branch.

    A residual without a shortcut is one whose shape changes.
    """
    rows = kinds.branches()
    inside = {f"{kind}" for kind in rows.values()}
    start = next((at for at, item in enumerate(items) if item.maps), 0) if first else -1
    made: list[Item] = items[: start + 1]
    for inline, run in groupby(items[start + 1 :], lambda item: item.key not in inside):
        gap = list(run)
        made.extend(_windows(gap, rows) if inline and rows else gap)
    return made


def _windows(gap: list[Item], rows: Mapping[tuple[str, ...], int]) -> list[Item]:
    """A gap with the best windows that resemble one of the rows as an item each."""
    best: list[tuple[float, int, int]] = [(0.0, 0, 0)]  # of what ends here; its length
    longest = max(len(row) for row in rows) * 1.4
    lasts = {(), *(row[-1:] for row in rows)}
    told = [tokens(item.elements) for item in gap]
    for end in range(1, len(gap) + 1):
        found = (best[-1][0], 0, 0)
        window: tuple[str, ...] = ()
        for begin in range(end - 1, -1, -1):
            window = told[begin] + window
            if gap[begin].key in _HEAD or window[-1:] not in lasts:
                break
            if len(window) > longest:
                break
            inner = gap[begin:end]
            changes = inner[0].enters != inner[-1].leaves
            if changes and inner[0].maps and sum(item.maps for item in inner) > 1:
                like, kind = max((alike(window, row), n) for row, n in rows.items())
                if like > _RESEMBLES:
                    gain = best[begin][0] + like - _RESEMBLES
                    found = max(found, (gain, end - begin, kind))
        best.append(found)
    made: list[Item] = []
    end = len(gap)
    while end:
        _, length, kind = best[end]
        inner = gap[end - (length or 1) : end]
        if length:
            elements = [element for item in inner for element in item.elements]
            count = sum(item.maps for item in inner)
            made.append(Item(f"{kind}", elements, inner[0].enters, count))
        else:
            made.extend(inner)
        end -= length or 1
    return made[::-1]


#: Tokens that a unit may begin with, beside merges.
_WEIGHTS: Final = ("conv", "pointwise", "depthwise", "norm", "linear", "conv_transpose")


def _pattern(row: Sequence[Item | Unit]) -> tuple[str, ...]:
    """The shortest row of keys that repeats and covers much; () if there is none."""
    best: dict[int, tuple[int, tuple[str, ...]]] = {}
    merges = any(each.key.isdigit() if isinstance(each, Item) else True for each in row)
    for length in range(1, _LONGEST + 1):
        ends: dict[tuple[str, ...], int] = {}
        covered: dict[tuple[str, ...], int] = {}
        repeated: dict[tuple[str, ...], None] = {}
        for at in range(len(row) - length + 1):
            window = row[at : at + length]
            items = [item for item in window if isinstance(item, Item)]
            keys = tuple(item.key for item in items)
            if len(keys) < length or not _possible(keys, merges):
                continue
            if at < ends.get(keys, 0):
                continue
            between = row[ends.get(keys, len(row)) : at]
            if keys in ends and all(_pools(each) for each in between):
                repeated[keys] = None
            ends[keys] = at + length
            covered[keys] = covered.get(keys, 0) + sum(item.maps for item in items)
        if repeated:
            top = max(repeated, key=lambda keys: covered[keys])
            best[length] = covered[top], top
    most = max((share for share, _ in best.values()), default=0)
    for share, keys in best.values():
        if share and share >= _ENOUGH * most:
            return keys
    return ()


def _pools(each: Item | Unit) -> bool:
    return isinstance(each, Item) and each.key in _POOLS


def _possible(keys: Sequence[str], merges: bool) -> bool:
    """Whether a unit may have these tokens: a merge, if there are any.

    Otherwise a map of neighbours, and an activation or norm.
    """
    if any(key in _HEAD for key in keys):
        return False
    if not (keys[0].isdigit() or keys[0] in _WEIGHTS):
        return False
    if merges:
        return any(key.isdigit() for key in keys) and keys[-1] not in _POOLS
    mixes = any(key in ("conv", "depthwise") for key in keys)
    return mixes and any(key in ("act", "norm") for key in keys)


def _matched(
    row: Sequence[Item | Unit], pattern: tuple[str, ...], kind: int
) -> Iterator[Item | Unit]:
    """The row with every place where the pattern is as a unit."""
    at = 0
    while at < len(row):
        window = row[at : at + len(pattern)]
        items = [item for item in window if isinstance(item, Item)]
        if tuple(item.key for item in items) == pattern and len(items) == len(window):
            yield Unit(kind, items)
            at += len(pattern)
        else:
            yield row[at]
            at += 1


def _alternating(row: Sequence[Item | Unit]) -> Iterator[Item | Unit]:
    """The row with units that alternate taken together: attention and a perceptron."""
    for kind, group in groupby(row, lambda e: e.kind if isinstance(e, Unit) else None):
        run = list(group)
        units = [each for each in run if isinstance(each, Unit)]
        exact = [tokens(unit.elements) for unit in units]
        period = next(
            (
                p
                for p in range(1, len(exact) // 2 + 1)
                if len(exact) % p == 0 and exact[p:] == exact[:-p]
            ),
            1,
        )
        whole = any(len(u.items) > 1 or u.widens or u.strides for u in units)
        if kind is None or period == 1 or whole:
            yield from run
            continue
        for at in range(0, len(units), period):
            items = [item for unit in units[at : at + period] for item in unit.items]
            yield Unit(kind, items)


def _led(row: Iterable[Item | Unit], kinds: _Kinds) -> Iterator[Item | Unit]:
    """The row with a pre-activation that the shortcut shares as part of its unit."""
    held: list[Item] = []
    for each in row:
        if isinstance(each, Item):
            held.append(each)
            continue
        lead = [item.key for item in held[-2:]]
        head = each.items[0]
        if lead == ["norm", "act"] and head.key.isdigit():
            usual = {r[:2] for r, kind in kinds.rows.items() if f"{kind}" == head.key}
            if ("norm", "act") in usual - {tokens(head.elements)[:2]}:
                each.items[:0] = held[-2:]
                del held[-2:]
        yield from held
        held = []
        yield each
    yield from held
