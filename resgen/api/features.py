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
    stages have one stride, or a stride is no power of 2, they are ``stage1`` and so on.
    The same as timm's ``features_only`` and ``out_indices``, but that timm counts a
    stem of stride 2 as well.

    >>> found = features("resnet50", [1, 2, 3])
    >>> dict(found.channels), dict(found.strides)
    ({'C3': 512, 'C4': 1024, 'C5': 2048}, {'C3': 8, 'C4': 16, 'C5': 32})

    A checkpoint of the whole network loads with ``ignore_extra``:
    ``resgen.build(found.spec, weights=FILE, ignore_extra=True)``.
    """
    read = spec if isinstance(spec, Spec) else load(argument("spec", SPEC, spec))
    every = _tapped(read, {f"s{i:04}": i for i in range(len(read.stages))})
    found = expand(every)
    reached = strides(found)
    at = [max(reached[value], default=1) for _, value in found.outputs]
    if stages is None:
        last = {stride: index for index, stride in enumerate(at)}
        chosen = sorted(last.values())
    else:
        chosen = [argument("stages", _STAGE, i) for i in several(stages)]
    named = _names(chosen, at)
    trunk = _tapped(read, named)
    graph = expand(trunk)
    values = dict(graph.outputs)
    return Features(
        trunk,
        graph,
        {name: graph.types[values[name]].channels for name in named},
        {name: at[index] for name, index in named.items()},
    )


def _names(chosen: Iterable[int], at: list[int]) -> dict[str, int]:
    """The stage of each output, by its name."""
    indices = list(dict.fromkeys(chosen))
    used = [at[i] for i in indices if i < len(at)]
    customary = len(set(used)) == len(used) and all(log2(s).is_integer() for s in used)
    if customary and len(used) == len(indices):
        return {f"C{int(log2(at[i]))}": i for i in indices}
    return {f"stage{i + 1}": i for i in indices}


def _tapped(spec: Spec, stages: Mapping[str, int]) -> Spec:
    """The network without its head, giving out these stages."""
    form: dict[str, Any] = canonical_form(spec)
    form.pop("labels", None)
    taps = {name: {"from": f"stages[{index}]"} for name, index in stages.items()}
    return load({**form, "head": {"outputs": taps}})
