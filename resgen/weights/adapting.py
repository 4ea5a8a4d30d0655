"""Weights loaded on purpose by half: another head, another number of input channels.

What of the head does not fit stays fresh. The first convolutions are given the input's
channels as timm does it: summed for one channel, else repeated and scaled, so that the
sums that they yield keep their size. Everything else has to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from resgen.graph.ir import Graph, Parameter
from resgen.graph.parts import sections
from resgen.weights.evaluate import Array
from resgen.weights.fitting import Misfit, is_float
from resgen.weights.initialize import initialize
from resgen.words.numbers import shape


def adapted(
    graph: Graph, weights: Mapping[str, Any], misfit: Misfit, seed: int
) -> tuple[dict[str, Any], list[str]] | None:
    """The weights with what was made of them, and a line on each; or None.

    None says that more differs than the head and the input's channels.
    """
    made = {n: v for n, v in weights.items() if n in graph.parameter}
    notes: list[str] = []
    head, first = of_head(graph), _of_input(graph)
    fresh: list[Parameter] = []
    for name in (*misfit.missing, *misfit.changed):
        parameter = graph.parameter[name]
        value = weights.get(name)
        if value is not None and name in first and _channels_differ(value, parameter):
            made[name], how = with_channels(_plain(value), parameter.shape[1])
            notes.append(f"{name}: {how}")
        elif name in head:
            fresh.append(parameter)
            was = "not in" if value is None else f"{shape(value.shape)} in"
            notes.append(f"{name}: fresh, {shape(parameter.shape)}; {was} the weights")
        else:
            return None
    # Weights that share nothing with the network are not adapted, they are others.
    kept = made.keys() & graph.parameter.keys() - {p.name for p in fresh}
    if not any(p.name in kept and p.name not in head for p in graph.parameters):
        return None
    notes += [f"{name}: left out" for name in misfit.extra]
    made.update(initialize(fresh, seed))
    return made, notes


def with_channels(weight: Array, channels: int) -> tuple[Array, str]:
    """A convolution's weight, (out, in, ...), for another number of input channels."""
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdims=True), f"{before} input channels summed to 1"
    repeats = [1, -(-channels // before), *(1 for _ in weight.shape[2:])]
    tiled = np.tile(weight, repeats)[:, :channels]
    scaled = tiled * np.float32(before / channels)
    return scaled, (
        f"{before} input channels repeated to {channels}, times {before}/{channels}"
    )


def _channels_differ(value: Any, parameter: Parameter) -> bool:
    """Whether floats differ from a parameter in the input's channels alone."""
    a, b = tuple(value.shape), parameter.shape
    alike = len(a) == len(b) > 1 and (a[0], a[2:]) == (b[0], b[2:])
    return alike and 0 < a[1] != b[1] and is_float(value)


def _plain(value: Any) -> Array:
    if not isinstance(value, np.ndarray | np.generic):
        value = value.detach().float().cpu().numpy()
    found: Array = value.astype(np.float32)
    return found


def of_head(graph: Graph) -> set[str]:
    """Parameters that only the head uses."""
    used: dict[bool, set[str]] = {True: set(), False: set()}
    for section in sections(graph):
        for node in section.nodes:
            used[section.section.kind == "head"].update(node.references())
    return used[True] - used[False]


def _of_input(graph: Graph) -> set[str]:
    """Parameters of what reads the input itself."""
    inputs = {given.name for given in graph.inputs}
    return {
        name
        for node in graph.nodes
        if inputs.intersection(node.inputs)
        for name in node.references()
    }
