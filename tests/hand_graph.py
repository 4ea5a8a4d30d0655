"""Graphs put together by hand, for tests that need neither a spec nor its expansion."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from resgen.errors import Place
from resgen.graph.ir import Graph, Input, Node, Origin, Parameter, Scope, Section
from resgen.ops.base import Op

PLACE = Place("hand.json", 1, 1, "")


@dataclass
class Builder:
    """Adds one node at a time, each after the one before unless told otherwise."""

    shape: tuple[int, ...]
    nodes: list[Node] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def add(self, name: str, op: Op, *inputs: str, owner: str | None = None) -> str:
        types = self._types()
        if not inputs:
            inputs = (self.nodes[-1].name if self.nodes else "input",)
        given = [types[value] for value in inputs]
        path = name if owner is None else owner
        names = {}
        for spec in op.parameters(given[0]):
            full = f"{path}.{spec.role}" if spec.role else path
            names[spec.role] = full
            self.parameters[full] = Parameter(
                full, spec.shape, spec.init, spec.trainable, spec.dtype
            )
        operands = tuple(op.operands(names).items())
        origin = Origin(0, None, "", PLACE)
        self.nodes.append(
            Node(name, op, inputs, op.result(*given), 0, origin, operands, path)
        )
        return name

    def _types(self):
        from resgen.ops.types import TensorType

        return {
            "input": TensorType(self.shape),
            **{node.name: node.type for node in self.nodes},
        }

    def graph(self, *outputs: tuple[str, str]) -> Graph:
        return Graph(
            name="hand",
            inputs=(Input("input", self._types()["input"]),),
            outputs=outputs or (("output", self.nodes[-1].name),),
            nodes=tuple(self.nodes),
            parameters=tuple(self.parameters.values()),
            scopes=(Scope("", None, "root", ""),),
            sections=(Section("head", "head", "/head"),),
        )


def random_weights(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights that no mistake survives: no norm near the identity, no shift at zero."""
    draw = np.random.default_rng(seed)
    weights = {}
    for p in graph.parameters:
        if p.dtype == "int64":
            weights[p.name] = np.array(7, np.int64)
            continue
        fan = int(np.prod(p.shape[1:])) or 1
        values = draw.normal(size=p.shape) / np.sqrt(fan)
        if p.name.endswith("running_var"):
            values = 0.5 + np.abs(values)
        weights[p.name] = values.astype(np.float32)
    return weights
