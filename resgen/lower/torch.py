"""From a graph to PyTorch: one GraphModule for each scope, nested as the scopes are.

A flat ``fx.GraphModule`` of the whole network would leave ``model.layer4`` an empty
shell. Here each callable scope (:mod:`resgen.lower.scopes`) is a GraphModule of its
own that calls the modules of its operators and of the scopes within it, so that hooks
fire, parts run alone, and module paths reach ``torch.export`` and the profiler.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from torch import fx

from resgen.errors import ResgenError
from resgen.graph.ir import GRAPH, OUTPUT, Graph, Node, Scope
from resgen.graph.precision import Name, Precision, at_precision
from resgen.lower.scope_module import ScopeModule, scope_module
from resgen.lower.scopes import Scoped, home, partition
from resgen.lower.torch_numbers import Computed
from resgen.ops.parameter import Parameter
from resgen.ops.types import Function, Module, Spelling
from resgen.options.kinds import argument, whole

Arrays = Mapping[str, np.ndarray[Any, Any]]


def to_torch(
    graph: Graph,
    weights: Arrays | None = None,
    *,
    seed: int = 0,
    precision: Name | None = None,
    consumer: str = "onnxruntime",
) -> ScopeModule:
    """The network as a trainable module, in training mode and on the CPU.

    ``weights`` are arrays or tensors by parameter name, which the module then shares
    where they are writable, contiguous and of the parameter's type; without them fresh
    ones are drawn from ``seed``. The keys of its ``state_dict`` are the names of the
    parameters. Weights that do not fit raise :class:`~resgen.errors.ResgenError`, and
    so does a name that torch cannot give to a module.

    The module gives out a tensor, or a dictionary of them by name where the network
    names several outputs. Those that the spec calls ``train_only`` are among them while
    the module is in training mode; in evaluation mode they are not computed. Their
    parameters are in its ``state_dict`` in either, and are drawn where ``weights`` have
    none.

    At a ``precision`` the module computes as the file for ``consumer`` will, and
    trains so: numbers are rounded, gradients pass straight through, and batch norms
    are folded, so that their statistics stay; it gives out what the file does. Scales
    are parameters beside those of the network; where ``weights`` have none they begin
    at a guess (:func:`resgen.calibrate.lowered.calibrated` finds better ones).
    """
    from resgen.weights.checkpoint import checked_state, exact
    from resgen.weights.initialize import initialize

    graph = argument("graph", GRAPH, graph)
    seed = argument("seed", whole(0), seed)
    weights = None if weights is None else checked_state(weights, "weights")
    wanted = Precision("fp32" if precision is None else precision, consumer)
    made = graph if precision is None else at_precision(graph, wanted)
    trained = made.training or made
    if weights is None:
        weights = initialize(trained.parameters, seed)
    else:
        added = [p for p in trained.parameters if p.name not in graph.parameter]
        spare = {p.name for p in graph.train_only} - trained.parameter.keys()
        given = {name: held for name, held in weights.items() if name not in spare}
        weights = exact({**initialize(added, seed), **given}, trained)
    return _Lowering(trained, made, weights).run()


def scores_of(
    module: torch.nn.Module, images: np.ndarray[Any, Any], output: str
) -> torch.Tensor:
    """What a network gives out for a batch, by this output where it names several.

    It is computed where the network is.
    """
    held = next(module.parameters(), None)
    given = torch.from_numpy(images)
    made = module(given if held is None else given.to(held.device))
    scores: torch.Tensor = made[output] if isinstance(made, Mapping) else made
    return scores


class _Lowering:
    """One walk over the parts of a graph; ``inferred`` is what of it inference has."""

    def __init__(self, graph: Graph, inferred: Graph, weights: Arrays) -> None:
        self.graph = graph
        self.inferred = inferred
        self.apart = graph.types.keys() - inferred.types.keys()
        self.weights = weights
        self.spellings: dict[str, Spelling] = {}
        self.bound: set[str] = set()
        #: Paths of the modules whose weights are expressions, by the node's name.
        self.computed: dict[str, str] = {}
        #: Modules that are to live at a path, and those that have been put there.
        self.made: dict[str, torch.nn.Module] = {}
        self.placed: dict[str, torch.nn.Module] = {}

    def run(self) -> ScopeModule:
        for node in self.graph.nodes:
            self.spell(node)
        root, *parts = partition(self.graph, self.apart).walk()
        for part in parts:
            trace = self.trace(part)
            self.made[part.path] = scope_module(_class_name(part.scope), trace)
        more = self.graph is not self.inferred
        trained = self.trace(root, self.graph) if more else None
        model = scope_module(
            _camel(self.graph.name), self.trace(root, self.inferred), trained
        )
        model.own_numbers = frozenset(
            node.owner
            for node in self.graph.nodes
            if isinstance(node.op, Parameter) and not node.op.learned
        )
        self.placed[""] = model
        self.fill(root)
        for name in self.graph.parameter:  # those that passes left without a reader
            self.bind(name)
        return model

    # --- modules ----------------------------------------------------------------------

    def spell(self, node: Node) -> None:
        """Note how torch spells a node, and build the module if it is a new one."""
        x = self.graph.types[node.inputs[0]]
        spelling = node.op.torch(x)
        if dict(node.operands) != node.op.operands(self.own(node)):
            # The expressions hold what the operator does to its weights.
            spelling = node.op.bare.torch(x)
            names = tuple(dict.fromkeys(node.references()))
            # A parameter without a role lives where the operator's module would.
            path = f"{node.name}_" if node.name in names else node.name
            self.made[path] = Computed(spelling, node.operands, names)
            self.computed[node.name] = path
            return
        path = home(node)
        if isinstance(spelling, Function):
            self.spellings[node.name] = spelling
            return
        known = self.spellings.setdefault(path, spelling)
        self.spellings[node.name] = spelling
        if known != spelling:
            raise ResgenError(
                f"{node.name} shares the parameters of {path} but is another operator "
                f"({_brief(spelling)}, not {_brief(known)})",
                hint="operators that share parameters take the same attributes",
            )
        if path not in self.made:
            # Parameters come from the weights: drawing torch's own takes a second for
            # a ResNet-50. What else a module holds has to be real.
            device = "meta" if node.operands else "cpu"
            with torch.device(device):
                made = _resolve(spelling.target)(*spelling.args, **spelling.kwargs)
            self.made[path] = made

    def fill(self, part: Scoped) -> None:
        """Put the modules of a part in their places, in order of first use."""
        for step in part.steps:
            if isinstance(step, Scoped):
                self.place(step.path)
                self.fill(step)
            else:
                self.settle(step)

    def settle(self, node: Node) -> None:
        """Put a node's module in its place and give it its parameters."""
        if node.name in self.computed:
            self.place(self.computed[node.name])
            for name in node.references():
                self.bind(name)
            return
        path = home(node)
        names = self.own(node).values()
        fresh = path not in self.placed
        if isinstance(self.spellings[node.name], Module):
            self.place(path)
        for name in names:
            self.bind(name)
        if fresh and names and path in self.placed:
            left = _on_meta(self.placed[path])
            if left:
                raise ValueError(
                    f"{node.op.name} declares no {', '.join(left)}, which "
                    f"{_brief(self.spellings[node.name])} holds"
                )

    def own(self, node: Node) -> dict[str, str]:
        """Names of the parameters that a node's operator declares, by role."""
        path = home(node)
        specs = node.op.parameters(self.graph.types[node.inputs[0]])
        return {s.role: f"{path}.{s.role}" if s.role else path for s in specs}

    def place(self, path: str) -> torch.nn.Module:
        """The module at a path, put there together with those above it."""
        if path not in self.placed:
            above, _, last = path.rpartition(".")
            module = self.made[path] if path in self.made else torch.nn.Module()
            with _naming(path):
                self.place(above).add_module(last, module)
            self.placed[path] = module
        return self.placed[path]

    def bind(self, name: str) -> None:
        """Make the array of this name a parameter, or a buffer if it is not trained."""
        if name in self.bound:
            return
        self.bound.add(name)
        parameter = self.graph.parameter[name]
        array = np.require(self.weights[name], parameter.dtype, ["C", "W"])
        tensor = torch.from_numpy(array)
        above, _, last = name.rpartition(".")
        module = self.place(above)
        with _naming(name):
            if parameter.trainable:
                module.register_parameter(last, torch.nn.Parameter(tensor))
            else:
                module.register_buffer(last, tensor)

    # --- graphs -----------------------------------------------------------------------

    def trace(self, part: Scoped, whole: Graph | None = None) -> fx.Graph:
        """The fx graph of one part; of the network itself, what ``whole`` has of it."""
        graph = fx.Graph()
        results: dict[str, fx.Node] = {}
        if whole is not None:
            results = {i.name: graph.placeholder(i.name) for i in whole.inputs}
        else:
            single = len(part.inputs) == 1
            for i, value in enumerate(part.inputs):
                results[value] = graph.placeholder("x" if single else f"x{i}")
        for step in part.steps:
            if whole is self.inferred and self.spared(step):
                continue
            if isinstance(step, Scoped):
                call = graph.create_node(
                    "call_module",
                    _within(part, step.path),
                    tuple(results[value] for value in step.inputs),
                    name=_name(part, step.path),
                )
                if len(step.outputs) == 1:
                    results[step.outputs[0]] = call
                    continue
                for i, value in enumerate(step.outputs):
                    results[value] = graph.create_node(
                        "call_function",
                        operator.getitem,
                        (call, i),
                        name=_name(part, value),
                    )
            else:
                results[step.name] = self.call(graph, part, step, results)
        graph.output(self.result(part, results, whole))
        return graph

    def spared(self, step: Node | Scoped) -> bool:
        """Whether inference does not have this step, which is so of all in it."""
        while isinstance(step, Scoped):
            step = step.steps[0]
        return step.name in self.apart

    def call(
        self, graph: fx.Graph, part: Scoped, node: Node, results: dict[str, fx.Node]
    ) -> fx.Node:
        """Add the call of one operator."""
        inputs: tuple[Any, ...] = tuple(results[value] for value in node.inputs)
        if node.name in self.computed:
            path = self.computed[node.name]
            held = (
                graph.create_node(
                    "get_attr", _within(part, name), name=_name(part, name)
                )
                for name in dict.fromkeys(node.references())
            )
            return graph.create_node(
                "call_module", _within(part, path), (*inputs, *held),
                name=_name(part, node.name),
            )  # fmt: skip
        spelling = self.spellings[node.name]
        path, name = home(node), _name(part, node.name)
        if isinstance(spelling, Module):
            target = _within(part, path)
            return graph.create_node("call_module", target, inputs, name=name)
        if spelling.gather:
            inputs = (list(inputs),)
        parameters = []
        for role, shape in spelling.parameters:
            whole = f"{path}.{role}" if role else path
            got = graph.create_node(
                "get_attr", _within(part, whole), name=_name(part, whole)
            )
            if shape != self.graph.parameter[whole].shape:
                got = graph.call_method("view", (got, shape))
            parameters.append(got)
        return graph.create_node(
            "call_function",
            _resolve(spelling.target),
            (*inputs, *parameters, *spelling.args),
            dict(spelling.kwargs),
            name=name,
        )

    def result(
        self, part: Scoped, results: dict[str, fx.Node], whole: Graph | None
    ) -> Any:
        """What a part returns."""
        if whole is None:
            found = tuple(results[value] for value in part.outputs)
            return found[0] if len(found) == 1 else found
        named = {name: results[value] for name, value in whole.outputs}
        return named[OUTPUT] if list(named) == [OUTPUT] else named


@cache
def _resolve(target: str) -> Callable[..., Any]:
    """The class or function of this import path."""
    found: Callable[..., Any] = resolve_name(target)
    return found


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Say what to do where torch refuses a name, as it does for its own attributes."""
    try:
        yield
    except KeyError as refused:
        raise ResgenError(
            f'"{path.rpartition(".")[2]}" of {path} is a name that torch keeps for '
            "itself",
            hint='give that part of the spec another name with "as"',
        ) from refused


def _on_meta(module: torch.nn.Module) -> list[str]:
    """Names of the tensors that a module still lacks."""
    tensors = chain(module.named_parameters(), module.named_buffers())
    return [name for name, tensor in tensors if tensor.is_meta]


def _within(part: Scoped, path: str) -> str:
    """A path as seen from a part."""
    return path[len(part.path) + 1 :] if part.path else path


def _label(path: str) -> str:
    """A path as one word; fx mends what is still no Python name."""
    return re.sub(r"\W", "_", path)


def _name(part: Scoped, path: str) -> str:
    """The name of an fx node: short where that reads well, else the whole path."""
    short = _label(_within(part, path))
    name = short if short.isidentifier() else _label(path)
    return "self_" if name == "self" else name  # fx would let it shadow the module


def _camel(words: str) -> str:
    """``pre_bottleneck`` as the name of a class."""
    name = "".join(w[:1].upper() + w[1:] for w in re.split(r"[\W_]+", words))
    return name if name.isidentifier() else f"Net{name}"


def _class_name(scope: Scope) -> str:
    """What a printed model calls this scope."""
    return _camel(scope.definition or scope.kind)


def _brief(spelling: Spelling) -> str:
    """A spelling for messages."""
    options = [*map(repr, spelling.args)]
    options += [f"{key}={value!r}" for key, value in spelling.kwargs.items()]
    return f"{spelling.target}({', '.join(options)})"
