"""Blocks, stems, heads and parts of the language recognised in a body.

A built-in one is tried: it is expanded by itself on the type that enters, and what
comes of it is laid beside the body. Its arguments are looked for one at a time, among
values that the body itself has (kernels, groups, shares of channels); only what is
equal, names of parameters included, is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.graph.ir import INPUT, OUTPUT, Graph
from resgen.ops import OPERATORS
from resgen.ops.types import TensorType
from resgen.recovery.body import elements
from resgen.recovery.known import definition, named
from resgen.recovery.parts import BRANCH, Part, Parts, parts, stride, walk
from resgen.recovery.unify import called, closed, entering
from resgen.recovery.write import Defaults, shorthand
from resgen.spec.library import builtin_files
from resgen.spec.params import REQUIRED, Param

Arguments = dict[str, Any]

#: The share of a block's operators that a body has at least where it is one.
LIKE: Final = 0.5
#: What training alone sees, and what is not looked for.
_UNSEEN: Final = ("drop_path_rate", "zero_init", "regularize")
#: Said of what a share is taken: the channels that enter the block around.
OUTER: Final = "channels"
_TRIALS: Final = 160  # that one body is worth


def leaves(body: Parts, path: str = "") -> Iterator[tuple[str, Part]]:
    """The operators of a body with their paths in it."""
    for part in body:
        at = f"{path}.{part.path}" if path and part.path else path or part.path
        if part.kind not in ("seq", "residual", "") and not part.bodies:
            yield at, part
        elif part.kind not in ("seq", ""):
            yield at, replace(part, bodies=[], owned=False)
        for inner in part.bodies:
            yield from leaves(inner, at)


def profile(body: Parts) -> Counter[tuple[str, ...]]:
    """What a body has, operators and attributes one by one, and how often."""
    found: Counter[tuple[str, ...]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for path, part in leaves(body):
        seen[path, part.kind] += 1
        which = (path, part.kind, str(seen[path, part.kind]))
        found[which] += 2
        for key, value in part.attributes.items():
            found[(*which, key, repr(value))] += 1
    return found


def paths(body: Parts) -> set[str]:
    """Where the body has parameters."""
    return {path for path, part in leaves(body) if part.owned}


@dataclass(slots=True, eq=False)
class Sought:
    """A body that is to be told by a built-in one; ``first`` is its network's first."""

    body: Parts
    enters: TensorType
    width: int
    stride: int
    first: bool = True
    entered: str = ""  # the name of the value that enters, where it is kept
    outer: int = 0  # the channels that enter the block that it stands in, if any
    stages: tuple[TensorType, ...] = ()  # of a head, what stands before it
    key: Any = None
    profile: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.body = closed(self.body, self.entered)
        self.key = tuple(part.whole() for part in self.body)
        self.profile = profile(self.body)


class Presets:
    """Tries built-in definitions under the defaults of one network."""

    def __init__(self, defaults: Defaults) -> None:
        self.defaults = shorthand(defaults)
        self.known: dict[Any, Parts | None] = {}
        self.trials = 0
        # Of parts, what fitted, and how often.
        self.pool: dict[str, list[tuple[Arguments, set[Any]]]] = {}
        self.results: dict[Any, Arguments | None] = {}

    # --- expansions -------------------------------------------------------------------

    def block(self, name: str, given: Arguments, sought: Sought) -> Parts | None:
        """What the block gives as a block of a stage."""
        params = definition(name)
        same = sought.stride == 1 and sought.width == sought.enters.channels
        deep = same and not sought.first
        stage: dict[str, Any] = {"block": name, "depth": 2 if deep else 1, **given}
        if "width" in params:
            stage.setdefault("width", sought.width)
        if "stride" in params:
            stage["stride"] = sought.stride
        spec = {"stem": [], "stages": [stage], "head": []}
        made = self._made(spec, sought.enters)
        if made is None or len(made) != 1 or made[0].kind != "seq":
            return None
        units = made[0].bodies[0]
        if len(units) != 1 + deep or units[-1].kind != "seq":
            return None
        return closed(units[-1].bodies[0], INPUT)

    def head(self, name: str, given: Arguments, sought: Sought) -> Parts | None:
        """What the block gives as a head, in a network with stages of these types."""
        use = {key: value for key, value in given.items() if key == "from"}
        inner = {key: value for key, value in given.items() if key != "from"}
        stages, before = [], sought.enters
        for made in sought.stages:
            by = stride(before, made)
            conv = {"op": "conv", "as": "x", "out": made.channels, "kernel": 1}
            stages.append({"body": {**conv, "stride": by}})
            before = made
        head = {**use, "use": name, "with": inner}
        found = self._made({"stem": [], "stages": stages, "head": head}, sought.enters)
        count = len(stages)
        if found is None or len(found) <= count:
            return None
        if [part.leaves for part in found[:count]] != list(sought.stages):
            return None
        names = {p.name: f"stages[{n}]" for n, p in enumerate(found[:count]) if p.name}
        return closed(called(found[count:], names), f"stages[{count - 1}]")

    def part(self, name: str, given: Arguments, sought: Sought) -> Parts | None:
        """What the block gives in a body."""
        if given.get("of") == OUTER:
            given = {**given, "of": sought.outer}
        use = {"as": "x", "use": name, "with": given}
        made = self._made({"stem": use, "stages": [], "head": []}, sought.enters)
        if made is not None and len(made) == 1 and made[0].kind == "seq":
            made = made[0].bodies[0]
        return None if made is None else closed(made, INPUT)

    def _made(self, spec: dict[str, Any], enters: TensorType) -> Parts | None:
        key = repr((spec, enters.shape))
        if key not in self.known:
            self.trials += 1
            whole = {
                "resgen": 1,
                "name": "trial",
                "input": list(enters.shape),
                "defaults": self.defaults,
                **spec,
            }
            graph = examine(whole).graph if 2 <= enters.rank <= 4 else None
            self.known[key] = None if graph is None else _parts(graph)
        return self.known[key]

    # --- search -----------------------------------------------------------------------

    def usual(self, name: str, sought: Sought) -> Arguments | None:
        """Arguments of a part that are equal to the body, those of most others first.

        What a share is taken ``of`` may be the channels of the block around it.
        """
        pool = self.pool.setdefault(name, [])
        fits = [
            (given, of)
            for given, of in pool
            if _score(self.part(name, given, sought), sought) == 1
        ]
        if not fits:
            starts: list[Arguments | None] = [None]
            if sought.outer and "of" in definition(name):
                starts.append({"of": OUTER})
            for start in starts:
                made = self.found(name, sought, start=start, of="part")
                if made is None:
                    return None
                fits.append((made, set()))
            pool += fits
        for _, of in fits:
            of.add((sought.key, sought.outer))
        return max(fits, key=lambda each: (len(each[1]), -len(repr(each[0]))))[0]

    def whole_head(self, sought: Sought) -> Any:
        """A built-in head of several stages that is equal to the body, or None."""
        starts = ("stages[1:]", "stages", "stages[2:]", "stages[-2:]")
        scores = {
            (name, start): _score(self.head(name, {"from": start}, sought), sought)
            for name in named("heads")
            for start in starts
        }
        likely = [key for key in scores if scores[key] >= LIKE]
        for name, start in sorted(likely, key=lambda key: -scores[key])[:2]:
            given = {"from": start}
            found = self.found(name, sought, start=given, of="head")
            if found is not None:
                inner = {key: value for key, value in found.items() if key != "from"}
                use = {"from": start, "use": name}
                return {**use, "with": inner} if inner else use
        return None

    def found(
        self, name: str, sought: Sought, *, start: Arguments | None = None, of: str
    ) -> Arguments | None:
        """Arguments that make the definition equal to the body, or None."""
        shape = (
            *(sought.width, sought.stride, sought.first, sought.outer),
            sought.enters.shape,
        )
        key = (of, name, sought.key, shape, repr(start))
        if key not in self.results:
            self.results[key] = self._search(name, sought, start, of)
        return self.results[key]

    def _search(
        self, name: str, sought: Sought, start: Arguments | None, of: str
    ) -> Arguments | None:
        run = {"block": self.block, "part": self.part, "head": self.head}[of]
        # Numbers last: a share of channels can be made to fit what was rounded.
        params = {
            key: param
            for key, param in sorted(
                definition(name).items(), key=lambda item: item[1].kind == "number"
            )
            if key not in (*_UNSEEN, "stride" if of == "block" else "of")
        }
        given = dict(start or {})
        if start is None:
            for key, param in params.items():
                if param.default is REQUIRED and not (of == "block" and key == "width"):
                    value = next(iter(_candidates(key, param, sought)), None)
                    if value is None:
                        return None
                    given[key] = value
        made = run(name, given, sought)
        best = _score(made, sought)
        if start is None and best < LIKE and not _akin(made, sought):
            return None
        if of == "block":
            acts = {
                p.attributes.get("type") for p in walk(sought.body) if p.kind == "act"
            }
            choices = tuple(sorted(act or "relu" for act in acts))
            params = {"act": Param("enum", None, choices=choices), **params}
        budget = self.trials + _TRIALS

        def better(values: Iterator[Any], key: str, default: Any) -> bool:
            """Take the best of these values, if it is better than what is given."""
            nonlocal best, given
            before = best
            for value in values:
                if best == 1 or self.trials > budget:
                    break
                tried = {**given, key: value}
                if value == default:
                    tried.pop(key)
                score = _score(run(name, tried, sought), sought)
                if score > best:
                    best, given = score, tried
            return best > before

        while best < 1:
            improved = False
            for key, param in params.items():
                if of == "block" and key == "width":
                    continue
                values = _candidates(key, param, sought)
                if better(values, key, param.default):
                    improved = True
                while isinstance(given.get(key), (str, dict)) and param.kind == "body":
                    if not better(_tuned(given[key], sought), key, param.default):
                        break
                    improved = True
            if not improved or self.trials > budget:
                break
        return given if best == 1 else None


def _akin(made: Parts | None, sought: Sought) -> bool:
    """Whether parameters of both have the same names, by and large."""
    if made is None:
        return True  # with other arguments it may fit
    ours, theirs = paths(sought.body), paths(made)
    return len(ours & theirs) >= LIKE * max(len(ours), len(theirs), 1)


def _score(made: Parts | None, sought: Sought) -> float:
    """1 where they are equal, less by what they do not have in common."""
    if made is None:
        return -1
    if tuple(part.whole() for part in made) == sought.key:
        return 1
    theirs = profile(made)
    both = (theirs & sought.profile).total()
    return 0.99 * both / max(theirs.total(), sought.profile.total(), 1)


def _parts(graph: Graph) -> Parts | None:
    outputs = dict(graph.outputs)
    ends = outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs
    return parts(elements(graph, INPUT, ends, known=INPUT), graph)


# --- candidates -----------------------------------------------------------------------


def _candidates(key: str, param: Param, sought: Sought) -> Iterator[Any]:
    """Values that an argument may have, the likely ones first."""
    if key in ("width", "stride"):
        yield sought.width if key == "width" else sought.stride
        return
    match param.kind:
        case "boolean":
            yield from (True, False)
        case "enum":
            yield from param.choices
        case "integer" | "channels":
            yield from _integers(key, sought)
        case "number" if key == "dropout":
            yield 0
        case "number":
            yield from _numbers(sought)
        case "body":
            yield from _bodies(key, sought)
        case "shortcut":
            yield from builtin_files()["shortcut"]
            yield from _projections(sought)
        case "list":
            yield from _lists(sought)


def _projections(sought: Sought) -> Iterator[Any]:
    """Shortcuts of the body as they are spelled out, where nothing in one is learned.

    So is the zero-padding one of a network that has lost channels.
    """
    for part in walk(sought.body):
        body = part.bodies[1] if part.kind == "residual" else []
        if body and not any(x.owned or x.bodies or x.path for x in body):
            yield {"project": [{"op": x.kind, **x.attributes} for x in body]}


def _said(sought: Sought, *keys: str) -> list[int]:
    values: Counter[int] = Counter()
    for part in walk(sought.body):
        for key in keys:
            value = part.attributes.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                values[value] += 1
    return [value for value, _ in values.most_common()]


def _integers(key: str, sought: Sought) -> list[int]:
    own = _said(sought, key)
    if own:
        return own
    if key == "classes":
        outs = _said(sought, "out")
        return outs + [out // n for out in outs for n in (9, 3, 6) if out % n == 0]
    widths = [
        part.attributes["out"] // part.attributes["groups"]
        for part in walk(sought.body)
        if part.attributes.get("groups", 1) > 1 and "out" in part.attributes
    ]
    found = [*widths[:3], *_said(sought, "groups")[:3], *range(1, 9), 16, 32]
    return list(dict.fromkeys([*found, *_said(sought, "out")[:6]]))


def _numbers(sought: Sought) -> list[Any]:
    """Shares of channels that the body has."""
    found: Counter[Fraction] = Counter()
    for part in walk(sought.body):
        out = part.attributes.get("out")
        if isinstance(out, int):
            for of in (sought.width, sought.enters.channels, part.enters.channels):
                ratio = Fraction(out, of)
                found[ratio] += 1
                found[1 / ratio] += 1
                for nice in (4, 8, 16, 24, 32):
                    if abs(ratio - Fraction(1, nice)) < Fraction(1, 64):
                        found[Fraction(1, nice)] += 1
                if ratio > 1:
                    found[Fraction(round(2 * ratio), 2)] += 1
    ordered = sorted(found, key=lambda r: (r.denominator > 1, -found[r], r.denominator))
    return [_number(r) for r in ordered][:24]


def _number(value: Fraction) -> Any:
    whole = value.denominator == 1
    return int(value) if whole else f"{value.numerator}/{value.denominator}"


def _lists(sought: Sought) -> list[list[int]]:
    outs = [
        part.attributes["out"]
        for part in walk(sought.body)
        if isinstance(part.attributes.get("out"), int)
    ]
    return [outs] if outs else []


def _bodies(key: str, sought: Sought) -> Iterator[Any]:
    """Activations of the body, and parts that have nothing that it lacks."""
    if key in ("act", "gate"):
        yield "act"
        acts = {repr(p.attributes): p for p in walk(sought.body) if p.kind == "act"}
        for part in acts.values():
            yield {"op": "act", "type": "relu", **part.attributes}
        return
    for name in named("parts"):
        needs = any(p.default is REQUIRED for p in definition(name).values())
        if not needs and _within(name, sought):
            yield name
            yield {"seq": name}  # given nothing by what it stands in


def _tuned(value: Any, sought: Sought) -> Iterator[Any]:
    """A part with other arguments, one changed at a time."""
    if isinstance(value, dict) and "seq" in value:
        yield from ({"seq": inner} for inner in _tuned(value["seq"], sought))
        return
    name = value if isinstance(value, str) else value.get("use", "")
    given = value.get("with", {}) if isinstance(value, dict) else {}
    for key, param in definition(name).items():
        if key not in ("of", "stride", "width"):
            for new in _candidates(key, param, sought):
                if new != given.get(key, param.default):
                    yield {"use": name, "with": {**given, key: new}}


def _unseen(kind: str) -> bool:
    """Whether an operator is there in training alone."""
    return kind in OPERATORS and OPERATORS[kind].training_only


def _within(name: str, sought: Sought) -> bool:
    """Whether a part has parameters where the body has some, and like operators."""
    kinds, components = _contents(name)
    ours = {part.kind for part in walk(sought.body)}
    missing = {k for k in kinds - ours - {"act", "norm", BRANCH} if not _unseen(k)}
    return (
        bool(kinds)
        and not missing
        and components <= {path.rpartition(".")[2] for path in paths(sought.body)}
    )


@cache
def _contents(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of operators of a part, and the last components of its paths."""
    params = definition(name)
    needed = {k: 64 for k, p in params.items() if p.default is REQUIRED}
    sought = Sought([], TensorType((64, 32, 32)), 64, 1)
    made = Presets({}).part(name, needed, sought) or []
    kinds = frozenset(part.kind for _, part in leaves(made))
    return kinds, frozenset(path.rpartition(".")[2] for path in paths(made))


# --- parts of a body ------------------------------------------------------------------


def recognised(
    body: Parts, presets: Presets, entered: str = "", outer: int = 0
) -> Parts:
    """The body with built-in parts in place of what is equal to them.

    ``outer`` are the channels that enter the block whose body it is.
    """
    return [
        _recognised(part, presets, name, outer)
        for part, name in entering(body, entered)
    ]


def _recognised(part: Part, presets: Presets, entered: str, outer: int) -> Part:
    if part.kind == "seq":
        width, by = part.leaves.channels, stride(part.enters, part.leaves)
        sought = Sought(
            part.bodies[0], part.enters, width, by, entered=entered, outer=outer
        )
        ours = paths(sought.body)
        names = [name for name in named("parts") if _within(name, sought)]
        if any(inner.kind == "residual" for inner in part.bodies[0]):
            names += [n for n in named("blocks") if _overlap(n, ours) == 1]
        names += [name for name in named("heads") if _within(name, sought)]
        for name in names:
            given = presets.usual(name, sought)
            if given is not None:
                return replace(
                    part, kind="use", attributes={"use": name, **given}, bodies=[]
                )
    bodies = [recognised(inner, presets, entered, outer) for inner in part.bodies]
    return replace(part, bodies=bodies)


def of_block(unit: Sought, presets: Presets) -> str | None:
    """The built-in block that a body is of."""
    made = fitted([unit], presets)
    return None if made is None else made.name


@dataclass(slots=True)
class Fitted:
    """A built-in block that all instances are of; arguments by instance."""

    name: str
    arguments: list[Arguments]


def fitted(seeking: Sequence[Sought], presets: Presets) -> Fitted | None:
    """The built-in block that all of these bodies are, if there is one."""
    different = list({(s.key, s.first): s for s in seeking}.values())
    different.sort(key=lambda s: -len(s.profile))
    ours = paths(different[0].body)
    for name in sorted(named("blocks"), key=lambda n: -_overlap(n, ours)):
        if _overlap(name, ours) < LIKE:
            break
        made = _fitted(name, different, presets)
        if made is not None:
            by = {(s.key, s.first): made[n] for n, s in enumerate(different)}
            return Fitted(name, [by[s.key, s.first] for s in seeking])
    return None


def _overlap(name: str, ours: set[str]) -> float:
    """Which share of a body's parameters a block has names for."""
    theirs = _names(name)
    return len(ours & theirs) / max(len(ours), 1)


@cache
def _names(name: str) -> frozenset[str]:
    """The paths of parameters of a block, as it is usually."""
    presets = Presets({})
    given = {}
    for key, param in definition(name).items():
        if param.default is REQUIRED and key != "width":
            given[key] = 4
    for width, by in ((128, 2), (64, 1)):
        for shape in ((64, 32, 32), (64, 196)):
            made = presets.block(name, given, Sought([], TensorType(shape), width, by))
            if made:
                return frozenset(paths(made))
    return frozenset()


def _fitted(
    name: str, different: Sequence[Sought], presets: Presets
) -> list[Arguments] | None:
    pool: list[Arguments] = []
    for sought in different:
        if any(_fits(name, given, sought, presets) for given in pool):
            continue
        given = None
        for start in [*pool[:2], None]:
            given = presets.found(name, sought, start=start, of="block")
            if given is not None:
                break
        if given is None:
            return None
        pool.append(given)
    fits = [[_fits(name, given, s, presets) for s in different] for given in pool]
    order = sorted(range(len(pool)), key=lambda n: -sum(fits[n]))
    return [next(pool[n] for n in order if fits[n][at]) for at in range(len(different))]


def _fits(name: str, given: Arguments, sought: Sought, presets: Presets) -> bool:
    return _score(presets.block(name, given, sought), sought) == 1
