"""``resgen.features``: the trunk of a network, with the maps of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any, Final

from resgen.api.specs import SPEC
from resgen.expansion.network import expand, load
from resgen.graph.cost import strides
from resgen.graph.ir import Graph
from resgen.options.kinds import argument, several, whole
from resgen.spec.canonical import canonical_form
from resgen.spec.model import Spec

if TYPE_CHECKING:
    from resgen.expansion.arguments import Source

_STAGE: Final = whole(0)

#: A stage, and which map of those that it yields if it yields a list.
_Tap = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """A trunk: a spec without a head, its graph, and what each output is.

    ``channels`` and ``strides`` are by output, in order from the largest map. A stride
    is in positions of the input, along the axis where it is largest.
    """

    spec: Spec
    graph: Graph
    channels: Mapping[str, int]
    strides: Mapping[str, int]


def features(spec: Spec | Source, stages: Iterable[int] | None = None) -> Features:
    """The trunk of ``spec``, for what needs maps of several sizes.

    ``stages`` count from 0; unless said, they are the last of each stride. Outputs go
    by the customary names: C2 is at a stride of 4 (2**2), C5 at one of 32. Where two
    stages have one stride, or a stride is no power of 2, they are ``stage1`` and so on,
    ``stage1_0`` and so on of a stage that yields a list of maps.
    The same as timm's ``features_only`` and ``out_indices``, but that timm counts a
    stem of stride 2 as well.

    >>> found = features("resnet50", [1, 2, 3])
    >>> dict(found.channels), dict(found.strides)
    ({'C3': 512, 'C4': 1024, 'C5': 2048}, {'C3': 8, 'C4': 16, 'C5': 32})

    A checkpoint of the whole network loads with ``ignore_extra``:
    ``resgen.build(found.spec, weights=FILE, ignore_extra=True)``.
    """
    read = spec if isinstance(spec, Spec) else load(argument("spec", SPEC, spec))
    every = {f"s{i:04}": (i,) for i in range(len(read.stages))}
    found = expand(_tapped(read, every))
    reached = strides(found)
    at: dict[_Tap, int] = {}
    for name, value in found.outputs:
        tap = tuple(int(number) for number in name[1:].split("."))
        at[tap] = max(reached[value], default=1)
    if stages is None:
        chosen = sorted({stride: tap for tap, stride in at.items()}.values())
    else:
        chosen = []
        for stage in several(stages):
            index = argument("stages", _STAGE, stage)
            chosen += [tap for tap in at if tap[0] == index] or [(index,)]
    named = _names(chosen, at)
    trunk = _tapped(read, named)
    graph = expand(trunk)
    values = dict(graph.outputs)
    return Features(
        trunk,
        graph,
        {name: graph.types[values[name]].channels for name in named},
        {name: at[tap] for name, tap in named.items()},
    )


def _names(chosen: Iterable[_Tap], at: Mapping[_Tap, int]) -> dict[str, _Tap]:
    """The tap of each output, by its name."""
    taps = list(dict.fromkeys(chosen))
    used = [at[tap] for tap in taps if tap in at]
    customary = len(set(used)) == len(used) and all(log2(s).is_integer() for s in used)
    if customary and len(used) == len(taps):
        return {f"C{int(log2(at[tap]))}": tap for tap in taps}
    return {
        f"stage{tap[0] + 1}" + "".join(f"_{i}" for i in tap[1:]): tap for tap in taps
    }


def _tapped(spec: Spec, taps: Mapping[str, _Tap]) -> Spec:
    """The network up to the last stage that is tapped, giving out what is tapped."""
    form: dict[str, Any] = canonical_form(spec)
    form.pop("labels", None)
    stages = form["stages"][: 1 + max((tap[0] for tap in taps.values()), default=0)]
    outputs = {
        name: {"from": "stages" + "".join(f"[{i}]" for i in tap)}
        for name, tap in taps.items()
    }
    return load({**form, "stages": stages, "head": {"outputs": outputs}})
