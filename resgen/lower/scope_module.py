"""The torch module that a scope of a network becomes."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from keyword import iskeyword
from typing import Any, overload

import torch
from torch import fx
from torch.fx.node import map_arg

from resgen.errors import ResgenError


class ScopeModule(fx.GraphModule):
    """A GraphModule whose children can be indexed, and which copies without loss.

    ``fx.GraphModule`` forgets its class name and its hooks when it is copied, and its
    class, its node names and whatever its code calls when it is pickled (the code is
    traced again, which opens functions up). Here both keep the module as it is.

    ``_trained_graph`` is what it runs in training mode where that is not ``graph``, and
    ``own_numbers`` are the names of those that a state_dict need not have.
    """

    _trained_graph: fx.Graph | None
    own_numbers: frozenset[str] = frozenset()

    @overload
    def __getitem__(self, index: int) -> torch.nn.Module: ...
    @overload
    def __getitem__(self, index: slice) -> list[torch.nn.Module]: ...
    def __getitem__(
        self, index: int | slice
    ) -> torch.nn.Module | list[torch.nn.Module]:
        """The child at this position, or a list of those in a slice."""
        return list(self.children())[index]

    def __len__(self) -> int:
        """How many children it has."""
        return len(list(self.children()))

    def __bool__(self) -> bool:
        """True, with children or without: it is a module before it is a container."""
        return True

    def __iter__(self) -> Iterator[torch.nn.Module]:
        return self.children()

    def __str__(self) -> str:
        """The tree of modules; ``print_readable()`` prints the code as well."""
        return repr(self)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As torch's; tensors that have axes of size 1 elsewhere are as ours.

        What is a number of the network itself may be missing, and stays; a tensor that
        is there under a name of ours may be there under others.
        """
        held = self.state_dict(keep_vars=True)
        moved = {
            name: tensor.reshape(held[name].shape)
            for name, tensor in state_dict.items()
            if name in held
            and tensor.shape != held[name].shape
            and alike(tensor.shape, held[name].shape)
        }
        moved |= {name: held[name] for name in self.own_numbers - state_dict.keys()}
        spare = again(state_dict, held)
        if moved or spare:
            metadata = getattr(state_dict, "_metadata", None)
            whole = {**state_dict, **moved}
            state_dict = OrderedDict((n, t) for n, t in whole.items() if n not in spare)
            state_dict._metadata = metadata  # type: ignore[attr-defined]
        return super().load_state_dict(state_dict, strict, assign)

    def recompile(self) -> Any:
        """Make code of the graph, and of the other one, which training mode runs."""
        code = super().recompile()
        trained = self.__dict__.get("_trained_graph")
        if trained is not None:
            infer = type(self).forward
            # One module has one graph, so another one makes code of the second.
            train = type(scope_module("Trained", trained)).forward

            @wraps(infer)
            def forward(self: ScopeModule, *args: Any, **kwargs: Any) -> Any:
                return (train if self.training else infer)(self, *args, **kwargs)

            type(self).forward = forward
        return code

    def __deepcopy__(self, memo: dict[int, Any]) -> ScopeModule:
        made: ScopeModule = ScopeModule.__new__(ScopeModule)
        memo[id(self)] = made
        state = copy.deepcopy(self._state(), memo)
        return made._become(
            type(self).__name__, state, *map(copy.deepcopy, self._graphs)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        runs = [_steps(graph) for graph in self._graphs]
        return _restore, (type(self).__name__, self._state(), *runs)

    @property
    def _graphs(self) -> list[fx.Graph]:
        """What it runs, in evaluation and if that is another graph in training."""
        trained = self._trained_graph
        return [self.graph] if trained is None else [self.graph, trained]

    def _state(self) -> dict[str, Any]:
        """Everything but the graphs, which know a module and would bring it along."""
        # Compiled code is made anew when it is wanted.
        left = ("_graph", "_trained_graph", "_compiled_call_impl")
        return {key: value for key, value in self.__dict__.items() if key not in left}

    def _become(
        self,
        class_name: str,
        state: Mapping[str, Any],
        graph: fx.Graph,
        trained: fx.Graph | None = None,
    ) -> ScopeModule:
        """Take on this state and graph; each instance has a class of its own."""
        _check(graph)
        super().__setstate__(dict(state))  # type: ignore[no-untyped-call]
        type(self).__name__ = class_name
        self._trained_graph = trained
        self.graph = graph
        return self


def again(state: Mapping[str, torch.Tensor], known: Container[str]) -> set[str]:
    """Names beside the known ones of tensors that are there under a known one."""
    places = {t.data_ptr() for name, t in state.items() if name in known}
    return {n for n, t in state.items() if n not in known and t.data_ptr() in places}


def alike(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether shapes differ by axes of size 1 alone."""
    return [n for n in shape if n != 1] == [n for n in other if n != 1]


def scope_module(
    class_name: str, graph: fx.Graph, trained: fx.Graph | None = None
) -> ScopeModule:
    """A module that runs ``graph``, whose children are still to be added to it.

    In training mode it runs ``trained`` instead, if that is given. Setting a graph
    compiles the children again, so the graphs come before them.
    """
    _check(graph)
    made = ScopeModule(torch.nn.Module(), fx.Graph(), class_name)
    made._trained_graph = trained
    made.graph = graph
    return made


#: What stands in quotes in the code that fx writes without ending them.
_QUOTABLE = re.compile(r"[\w-]+")


def _check(graph: fx.Graph) -> None:
    """Raise ResgenError if a name in ``graph`` is no name: fx makes code of it.

    What a module calls and what it takes go into the text that fx compiles as they
    are, so a quote in one of them could say anything. A spec's names are checked where
    they are read; this is for graphs from anywhere else. All else is written by
    ``repr``.
    """
    for node in graph.nodes:
        names = list(node.kwargs)
        if node.op == "placeholder":
            names.append(node.target)
        elif node.op in ("call_module", "get_attr"):
            components = node.target.split(".")
            names.extend(c for c in components if not _QUOTABLE.fullmatch(c))
            names.extend(c for c in components if iskeyword(c))
        for name in names:
            plain = name.isascii() and name.isidentifier() and name != "self"
            if not plain or iskeyword(name):
                raise ResgenError(
                    f'"{name}" cannot be a name in PyTorch',
                    hint='a name holds letters, digits, "_" and "-" only',
                )


@dataclass(frozen=True, slots=True)
class _Result:
    """Stands for the result of an earlier step in a pickled graph."""

    of: str


#: An fx node as plain data: op, name, target, args and kwargs.
_Step = tuple[str, str, Any, Any, Any]


def _steps(graph: fx.Graph) -> list[_Step]:
    return [
        (node.op, node.name, node.target, *_named((node.args, node.kwargs)))
        for node in graph.nodes
    ]


def _named(value: Any) -> Any:
    """``value`` with a name in place of every fx node; lists, tuples, dicts, slices."""
    stand_in: Any = _Result
    return map_arg(value, lambda node: stand_in(node.name))


def _restore(
    class_name: str, state: Mapping[str, Any], *runs: Sequence[_Step]
) -> ScopeModule:
    """Unpickle a :class:`ScopeModule`."""
    made: ScopeModule = ScopeModule.__new__(ScopeModule)
    return made._become(class_name, state, *map(_graph, runs))


def _graph(steps: Sequence[_Step]) -> fx.Graph:
    """The graph of these steps."""
    graph = fx.Graph()
    results: dict[str, fx.Node] = {}

    def found(value: Any) -> Any:
        if isinstance(value, _Result):
            return results[value.of]
        if isinstance(value, slice):
            return slice(found(value.start), found(value.stop), found(value.step))
        if isinstance(value, (list, tuple)):
            return type(value)(found(v) for v in value)
        if isinstance(value, dict):
            return {key: found(v) for key, v in value.items()}
        return value

    for op, name, target, args, kwargs in steps:
        results[name] = graph.create_node(op, target, found(args), found(kwargs), name)
    return graph
