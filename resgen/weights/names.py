"""Where in a file the weights of a network lie, and what stands before their names.

No names of keys or wrappers are known here: a set of weights is a mapping with tensors
in it, wherever it lies, and its prefix is what its names have in front of the
network's. Names whose parts "/" separates, as JAX writes them, are read with dots.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.graph.ir import Parameter
from resgen.weights.loading import Loading
from resgen.words.terminal import fitted, printable

logger = logging.getLogger(__name__)

#: How many names of each kind a message spells out.
LISTED: Final = 10
#: How deep and how many mappings are looked through for weights.
DEPTH: Final = 12
MAPPINGS: Final = 10_000
#: Components that wrappers put anywhere into a name: torch.compile, FSDP, activation
#: checkpoints, Lightning's Fabric.
_WRAPPERS: Final = re.compile(
    # The look behind stands after the underline, which is quickly found.
    r"_(?<![^.]_)(orig_mod|fsdp_wrapped_module|checkpoint_wrapped_module"
    r"|forward_module)\."
)
#: How the moving average of the weights is called, by a part of a word or a key.
_AVERAGED: Final = re.compile(r"(?i)(?<![a-z])(ema|swa|avg|averaged?)(?![a-z])")
#: Characters of a name that a message shows.
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Found:
    """Weights in a file: at ``path``, with ``prefix`` before the network's names.

    ``fits`` counts the parameters that they have in name and shape, ``known`` those
    that they have by name.
    """

    path: str
    prefix: str
    values: Mapping[str, Any]
    fits: int = 0
    known: int = 0

    @property
    def averaged(self) -> bool:
        """Whether they are called a moving average."""
        return bool(_AVERAGED.search(f"{self.path}/{self.prefix}"))

    @property
    def said(self) -> str:
        """How a message calls them."""
        names = f'"{short(self.prefix)}..."' if self.prefix else ""
        parts = filter(None, (short(self.path), names))
        return " ".join(parts) or "the file's own"

    def named(self) -> dict[str, Any]:
        """The values without the prefix; strays that lack it keep their names."""
        n = len(self.prefix)
        inside = {k[n:]: v for k, v in self.values.items() if k.startswith(self.prefix)}
        strays = {k: v for k, v in self.values.items() if not k.startswith(self.prefix)}
        return {**strays, **inside}


def find(
    saved: object, parameters: Sequence[Parameter], how: Loading, origin: str
) -> Found:
    """The weights of the network in what a file holds.

    Several that fit equally, or none, are a :class:`ResgenError` that names what is
    there.
    """
    # What learns nothing is saved without a tensor.
    nothing = not parameters and saved == {}
    if not (sets := [("", {})] if nothing else list(_sets(saved))):
        inner = saved.values() if isinstance(saved, Mapping) else ()
        optimizer = any(
            isinstance(m, Mapping) and "param_groups" in m for m in (saved, *inner)
        )
        hint = "an optimizer's state is none; name the file of the model"
        raise ResgenError(
            f"{origin} holds {contents(saved)}: there are no weights by name",
            hint=hint if optimizer else None,
        )
    if how.key is not None:
        key = how.key.strip("/")
        chosen = [s for s in sets if s[0] == key or s[0].startswith(f"{key}/")]
        if not chosen:
            raise ResgenError(
                f'{origin} has no weights at "{how.key}"; they lie at '
                f"{_listed([path or 'its root' for path, _ in sets])}"
            )
        sets = chosen
    wanted = {p.name: p for p in parameters}
    found = [f for path, values in sets for f in _prefixed(path, values, wanted, how)]
    if how.prefix is not None and not found:
        names = [name for _, values in sets for name in values]
        common = short(common_prefix(names))
        are = f'all begin with "{common}"' if common else f"they are {_listed(names)}"
        raise ResgenError(f'no name in {origin} begins with "{how.prefix}"; {are}')
    return _chosen(found, wanted, how, origin, saved)


def _chosen(
    found: list[Found],
    wanted: Mapping[str, Parameter],
    how: Loading,
    origin: str,
    saved: object,
) -> Found:
    averaged = [f for f in found if f.averaged]
    if how.ema and not averaged and how.key is None:
        raise ResgenError(
            f"{origin} holds no averaged weights; it holds {contents(saved)}",
            hint="leave out ema if these are the averaged ones",
        )
    plain = [f for f in found if not f.averaged]
    pool = averaged if how.ema and averaged else plain
    # A file may hold nothing but the average.
    if not any(f.known for f in pool):
        pool = found
    best = max(pool, key=lambda f: (f.fits, f.known, len(f.values)))
    needed = sum(not counts_batches(name) for name in wanted)
    whole = [f for f in found if f.fits >= needed > 0]
    alike = [f for f in pool if f.fits == best.fits >= needed > 0]
    if others := [f for f in alike if not _same(f, best)]:
        raise _ambiguous(origin, [best, *others])
    if not (how.ema or best.averaged) and any(f.averaged for f in whole):
        logger.warning("%s also holds a moving average, which ema takes", origin)
    # Names of other whole sets in the same mapping are not extra ones of this.
    beside = [f for f in whole if f.path == best.path and f is not best]
    theirs = {f.prefix + name for f in beside for name in wanted}
    values = {name: v for name, v in best.values.items() if name not in theirs}
    return replace(best, values=values)


def _ambiguous(origin: str, each: Sequence[Found]) -> ResgenError:
    """Several sets fit: the first is the one that is likely meant."""
    by_key = len({f.path for f in each}) > 1
    one = each[0] if by_key else max(each, key=lambda f: len(f.prefix))
    said = f'key="{one.path or "/"}"' if by_key else f'prefix="{one.prefix}"'
    return ResgenError(
        f"{origin} holds {len(each)} sets of weights that fit the network: "
        f"{_listed([f.said for f in each])}",
        hint=f"{said} takes {one.said}",
    )


def counts_batches(name: str) -> bool:
    """Whether it is a counter of batch norm, which old checkpoints lack."""
    return name.rpartition(".")[2] == "num_batches_tracked"


def is_tensor(value: object) -> bool:
    """Whether it is an array or a tensor (torch need not be there to tell)."""
    return all(hasattr(value, name) for name in ("dtype", "shape", "ndim"))


def contents(saved: object) -> str:
    """The keys of a mapping, or what it is instead."""
    if not isinstance(saved, Mapping):
        return f"a {type(saved).__name__}"
    return _listed([str(key) for key in saved]) if saved else "nothing"


def short(name: str) -> str:
    """A name of any file for a message: on one line, and no longer than is read."""
    return fitted(printable(name[: _SHOWN + 1]), _SHOWN)


def common_prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to a dot; nothing where they differ at once.

    >>> common_prefix(["net.conv.weight", "net.conv.bias"])
    'net.conv.'
    """
    same = commonprefix(names)  # noqa: RUF071 - these are no paths of files
    return same[: same.rfind(".") + 1]


# --- parts ----------------------------------------------------------------------------


def _sets(saved: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping with tensors by name, and its path, outermost first."""
    seen: set[int] = set()
    level: list[tuple[str, object]] = [("", saved)]
    for _ in range(DEPTH):
        deeper: list[tuple[str, object]] = []
        for path, value in level:
            if id(value) in seen or len(seen) > MAPPINGS:
                continue
            seen.add(id(value))
            items: list[tuple[object, Any]] = []
            if isinstance(value, Mapping):
                # Numbers for keys are an optimizer's, which count parameters.
                items = [(k, v) for k, v in value.items() if isinstance(k, str)]
            elif isinstance(value, list | tuple):
                items = list(enumerate(value))
            tensors = {str(k): v for k, v in items if is_tensor(v)}
            if isinstance(value, Mapping) and any(v.ndim for v in tensors.values()):
                yield path, _respelt(tensors)
            deeper += [
                (f"{path}/{k}".lstrip("/"), v)
                for k, v in items
                if isinstance(v, Mapping | list | tuple)
            ]
        level = deeper


def _respelt(tensors: dict[str, Any]) -> dict[str, Any]:
    """The tensors by their names without wrappers, and with dots between the parts."""
    if tensors and all("/" in name and "." not in name for name in tensors):
        tensors = {k.strip("/").replace("/", "."): v for k, v in tensors.items()}
    # What is there with a wrapper and without is two sets, and neither is dropped.
    bare = {name: _WRAPPERS.sub("", name) for name in tensors}
    return {k if bare[k] in tensors else bare[k]: v for k, v in tensors.items()}


def _prefixed(
    path: str,
    values: Mapping[str, Any],
    wanted: Mapping[str, Parameter],
    how: Loading,
) -> list[Found]:
    """The set under each prefix that brings names of the network to light."""
    if how.prefix is not None:
        begin = how.prefix
        values = {k: v for k, v in values.items() if k.startswith(begin)}
        if begin and all(k.startswith(f"{begin}.") for k in values):
            begin += "."
    known: Counter[str] = Counter()
    fits: Counter[str] = Counter()
    counting = {n: p for n, p in wanted.items() if not counts_batches(n)}
    lengths = set(map(len, counting))
    for name, value in values.items():
        # A cut before the name would count from its end.
        for cut in (len(name) - n for n in lengths if n <= len(name)):
            if (parameter := counting.get(name[cut:])) is not None:
                known[name[:cut]] += 1
                fits[name[:cut]] += tuple(value.shape) == parameter.shape
    if how.prefix is not None:
        likely = [begin] if values else []
    else:
        # One accidental match makes no prefix beside one that most names have.
        most = max(known.values(), default=0)
        likely = [p for p, n in known.items() if 2 * n >= most] or [""]
        likely.sort(key=lambda p: (-known[p], len(p)))
    return [Found(path, p, values, fits[p], known[p]) for p in likely]


def _same(one: Found, other: Found) -> bool:
    """Whether they are the same set, kept twice."""
    a, b = one.named(), other.named()
    return a.keys() == b.keys() and all(_address(a[k]) == _address(b[k]) for k in a)


def _address(value: Any) -> object:
    try:
        return value.data_ptr() or id(value)
    except (AttributeError, RuntimeError):  # an array; no storage, as of sparse ones
        return id(value)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(short, names[:LISTED])) + more
