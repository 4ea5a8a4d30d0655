"""A module as a graph: captured by torch.export, which runs it on shapes alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import INPUT, OUTPUT
from resgen.importing.calls import COPIES
from resgen.importing.flat import Collector, Flat, Note, Tensor
from resgen.importing.outputs import output_names
from resgen.importing.rules import simplified
from resgen.importing.torch import maps, numbers, shapes  # noqa: F401  # their tables
from resgen.importing.torch.learned import Learned, filled
from resgen.importing.torch.reader import ALIASES, HANDLERS, Reader, aten, bound
from resgen.importing.unspoken import UNSPOKEN
from resgen.importing.views import BATCH, Const, Unread, View
from resgen.words.numbers import count

if TYPE_CHECKING:
    import torch
    from torch import fx

#: A prime number that no network has as a size: where it is, there is the batch.
PRIME: Final = 11
#: Classes that stand around a module and call it, and what they hold it as.
WRAPPERS: Final[Mapping[str, str]] = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "FullyShardedDataParallel": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
}
#: Modules that do nothing outside training, and what they call their probability.
DROPS: Final[Mapping[str, str]] = {"DropPath": "drop_prob", "StochasticDepth": "p"}
#: Operators that take nothing but type and sizes of their first argument.
LIKE: Final = frozenset((
    "new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like",
    "full_like", "empty_like",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lacking:
    """In the place of a tensor that could not be read: why, by where it is."""

    causes: tuple[str, ...]


def read(module: torch.nn.Module, example: torch.Tensor | Sequence[int]) -> Flat:
    """A module as it is in evaluation mode, which is never executed.

    ``example`` is an input with its batch, of which the sizes are taken, or the sizes
    without the batch. Raises :class:`~resgen.errors.ResgenError` with every operator
    that has no spelling, or with why the module cannot be captured.
    """
    import torch

    inner, notes = unwrapped(module)
    held = {**dict(inner.named_parameters()), **dict(inner.named_buffers())}
    device = _device(inner, held)
    sizes = example.shape[1:] if isinstance(example, torch.Tensor) else example
    kinds = (tensor.dtype for tensor in held.values() if tensor.is_floating_point())
    dtype = next(kinds, torch.float32)
    if dtype != torch.float32:
        why = "a spec's numbers are float32"
        notes.append(Note("read", f"numbers of {str(dtype).partition('.')[2]}", why))
    given = torch.empty(PRIME, *sizes, device=device, dtype=dtype)
    with _as_it_infers(inner), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(inner, (given,), strict=False)
        except Exception as error:
            raise _uncaptured(inner, sizes, error) from error
    flat = of_program(program, type(inner).__name__, PRIME, sizes)
    classes = {
        path: f"{type(part).__module__}.{type(part).__qualname__}"
        for path, part in inner.named_modules()
    }
    return Flat(
        flat.graph,
        flat.weights,
        flat.sources,
        flat.tensors,
        classes,
        (*notes, *flat.notes, *_unused(flat, inner)),
    )


def read_file(path: Path) -> tuple[Flat, torch.nn.Module, int]:
    """The network of a ``.pt2`` file of torch.export, the module, and its batch.

    It is read at the sizes that it was exported with. A file that is none, and one of
    several inputs, is a :class:`~resgen.errors.ResgenError`.
    """
    import torch

    log = logging.getLogger("torch.export")  # tells of a file that is none by a trace
    quiet, log.disabled = log.disabled, True
    try:
        program = torch.export.load(path)
    except Exception as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ResgenError(
            f"{path} cannot be read as a file of torch.export: {first}",
            hint="torch.export.save writes them",
        ) from error
    finally:
        log.disabled = quiet
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise ResgenError(
            f"{path} has {len(names)} inputs, and a spec is of a network of one"
        )
    found = next(n for n in program.graph.nodes if n.name == names[0])
    batch, *sizes = map(_size, found.meta["val"].shape)
    return of_program(program, path.stem, batch, sizes), program.module(), batch


def _size(size: Any) -> int:
    """A size of an export: where it is open, that of its example."""
    return int(getattr(getattr(size, "node", None), "hint", None) or size)


def named_outputs(given: Any) -> Iterator[tuple[str, Any]]:
    """What a module gives out, by names: keys and attributes, or numbers of places."""
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_flatten_with_path(given)[0]
    leaves = [(path, found) for path, found in leaves if found is not None]
    named = (".".join(_keys(path)) for path, _ in leaves)
    yield from zip(output_names(named), (found for _, found in leaves), strict=True)


def _keys(path: Sequence[Any]) -> Iterator[str]:
    """The way to what a module gives out; an item of a list has a list's name."""
    if not path or hasattr(path[0], "idx"):
        yield OUTPUT
    for key in path:
        kinds = ("key", "idx", "name")
        yield str(next(getattr(key, kind) for kind in kinds if hasattr(key, kind)))


def of_program(
    program: torch.export.ExportedProgram, name: str, batch: int, sizes: Sequence[int]
) -> Flat:
    """A captured program as a graph; ``sizes`` are its input's without the batch."""
    return _Reading(program, name, batch, sizes).run()


def unwrapped(module: torch.nn.Module) -> tuple[torch.nn.Module, list[Note]]:
    """The module that wrappers stand around, and what is to be said of them."""
    notes = []
    while (kind := type(module).__name__) in WRAPPERS:
        module = getattr(module, WRAPPERS[kind])
        why = "it computes what the module within it does"
        notes.append(Note("dropped", f"the wrapper {kind}", why))
    return module, notes


def settled(module: torch.nn.Module) -> str | None:
    """How a weight is made one that a module holds, where one is computed with state.

    Spectral norms go on with what they iterate at every call in training, and a weight
    that is read does not.
    """
    from torch.nn.utils.spectral_norm import SpectralNorm

    for path, part in module.named_modules():
        for name, steps in getattr(part, "parametrizations", {}).items():
            if any(True for step in steps for _ in step.buffers()):
                return _settling(path, name, "parametrize.remove_parametrizations")
        for hook in part._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                return _settling(path, hook.name, "remove_spectral_norm")
    return None


def _settling(path: str, name: str, call: str) -> str:
    part = f'module.get_submodule("{path}")' if path else "module"
    return (
        f"{path}.{name}".lstrip(".") + " is computed with state that training moves; "
        f'torch.nn.utils.{call}({part}, "{name}") leaves it as it is now'
    )


def _device(module: torch.nn.Module, held: Mapping[str, torch.Tensor]) -> torch.device:
    """Where a module's numbers are, if they are there and in one place."""
    import torch
    from torch.nn.parameter import is_lazy

    kind = type(module).__name__
    lazy = [name for name, tensor in held.items() if is_lazy(tensor)]
    if lazy:
        raise ResgenError(
            f"{kind} has not made its parameters yet: {lazy[0]} has no shape",
            hint="call the module once on an input",
        )
    devices = {tensor.device for tensor in held.values()}
    if torch.device("meta") in devices:
        raise ResgenError(
            f"{kind} has shapes without numbers, on torch's device meta",
            hint="load weights into it, e.g. module.to_empty(device='cpu'), then "
            "load_state_dict",
        )
    if len(devices) > 1:
        names = " and ".join(sorted(map(str, devices)))
        raise ResgenError(
            f"{kind} is spread over {names}", hint="move it: module.cpu()"
        )
    return devices.pop() if devices else torch.device("cpu")


@contextmanager
def _as_it_infers(module: torch.nn.Module) -> Iterator[None]:
    """The module in evaluation mode, stochastic depth written as a dropout."""
    from torch.nn import functional as F

    training = {part: part.training for part in module.modules()}
    seen = [part for part in training if type(part).__name__ in DROPS]
    module.eval()
    for part in seen:
        chance = getattr(part, DROPS[type(part).__name__], None) or getattr(
            part, "p", 0
        )
        part.forward = partial(F.dropout, p=float(chance or 0), training=False)
    try:
        yield
    finally:
        for part in seen:
            del part.forward
        for part, was in training.items():
            part.training = was


def _uncaptured(
    module: torch.nn.Module, sizes: Sequence[int], error: Exception
) -> ResgenError:
    """Why torch.export cannot say what a module computes."""
    import torch

    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        return ResgenError(
            f"{kind} is TorchScript, which torch.export does not capture",
            hint="give the module that it was made of",
        )
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    if (
        "data-dependent" in str(error).lower()
        or "DataDependent" in type(error).__name__
    ):
        return ResgenError(
            f"what {kind} computes depends on the numbers of its input: {first}",
            hint="import the part of it that does not",
        )
    shown = " x ".join(map(str, sizes))
    return ResgenError(
        f"torch.export cannot capture {kind} on an input of {shown}: {first}",
        hint="its forward has to run on a batch of any size, and to take one tensor",
    )


def _unused(flat: Flat, module: torch.nn.Module) -> list[Note]:
    """What of a module has no part in what it gives out, or a part by another name."""
    used = {source for sources in flat.sources.values() for source in sources}
    held = module.state_dict(keep_vars=True)
    known = {id(held[name]) for name in used & held.keys()}
    spare = [name for name in held if name not in used]
    again = tuple(name for name in spare if id(held[name]) in known)
    gone = tuple(name for name in spare if id(held[name]) not in known)
    return [
        Note("dropped", count(len(names), "parameter"), why, names)
        for names, why in (
            (gone, "no output depends on them in evaluation mode"),
            (again, "the same tensors are there under another name"),
        )
        if names
    ]


class _Reading:
    """One walk over a program."""

    def __init__(
        self,
        program: torch.export.ExportedProgram,
        name: str,
        batch: int,
        sizes: Sequence[int],
    ) -> None:
        self.program = program
        signature = program.graph_signature
        self.keys = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.learned = frozenset(signature.inputs_to_parameters.values())
        self.held = {**program.constants, **program.state_dict}
        self.lifted = dict(signature.inputs_to_lifted_tensor_constants)
        owners = frozenset(key.rpartition(".")[0] for key in self.keys.values())
        self.to = Collector(name, name, sizes)
        self.reader = Reader(self.to, batch, owners, self.number)
        self.batch = batch
        self.places = {node: at for at, node in enumerate(program.graph.nodes)}
        self.made = self.reader.made
        self.values = Learned(self.reader, self.enter)

    def run(self) -> Flat:
        outputs: Any = ()
        for node in self.program.graph.nodes:
            if node.op == "output":
                outputs = node.args[0]
            elif node.op == "placeholder":
                self.made[node] = self.given(node)
            elif node.op == "get_attr":
                self.made[node] = getattr(self.program.graph_module, str(node.target))
            elif node.op == "call_function":
                self.made[node] = self.called(node)
        found = list(self.outputs(outputs))
        if not found:
            raise ResgenError(f"{self.to.name} gives out no tensor")
        flat = simplified(self.to.flat(found), named=True)
        left = [n.name for n in flat.graph.nodes if isinstance(n.op, UNSPOKEN)]
        if left:
            why = f"edges of more than {COPIES} positions are repeated or mirrored"
            raise _unread(self.to.name, [f"{name}: {why}" for name in left])
        return flat

    # --- what goes in and out ---------------------------------------------------------

    def given(self, node: fx.Node) -> Any:
        key = self.keys.get(node.name) or self.lifted.get(node.name)
        if key is not None:
            return self.number(key)
        if not isinstance(node.meta.get("val"), _tensor()):
            return None
        return self.reader.seen(INPUT)

    def number(self, key: str) -> Const | None:
        """A parameter, a buffer or a constant of the program, if it has it."""
        if key not in self.held:
            return None
        tensor = self.held[key].detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.float()
        kept = key in self.program.state_dict
        array = tensor.numpy().copy()  # the module's own go on changing
        return Const(array, (key,) if kept else (), key if kept else None)

    def outputs(self, given: Any) -> Iterator[tuple[str, str]]:
        """The outputs' names and values, as the module arranges them."""
        from torch.utils import _pytree as pytree

        values = [self.made.get(node) for node in given]
        causes = [c for v in values if isinstance(v, Lacking) for c in v.causes]
        if causes:
            raise _unread(self.to.name, causes)
        spec = self.program.call_spec.out_spec
        tree = pytree.tree_unflatten(given, spec) if spec else given
        for name, node in named_outputs(tree):
            found = self.made.get(node)
            if not isinstance(found, View):
                why = f"the output {name} is no tensor that depends on the input"
                raise _unread(self.to.name, [why])
            try:
                yield name, self.reader.standard(found)
            except Unread as error:
                raise _unread(self.to.name, [f"the output: {error}"]) from error

    # --- operators --------------------------------------------------------------------

    def called(self, node: fx.Node) -> Any:
        """What an operator yields, or why it cannot be read."""
        name = self.enter(node)
        given = {at: self.made.get(at) for at in node.all_input_nodes}
        causes = {c for v in given.values() if isinstance(v, Lacking) for c in v.causes}
        if causes:
            return self.lacking(node, tuple(sorted(causes)))
        try:
            if name == "getitem":
                return self.item(node)
            writes = self.writes(node)
            found = self.new(node, name) if writes else None
            found = self.handled(node, name) if found is None else found
            if writes:
                self.write(node, found)
            if name != "clone":  # which is made to be written into
                found = self.known(found)
            self.check(node, name, found)
        except Exception as error:
            message = getattr(error, "message", None) or str(error)
            message = message.strip().partition("\n")[0]
            path = self.reader.scope or "the module"
            return self.lacking(node, (f"{path}: {node.target}: {message}",))
        if isinstance(found, View) and (val := node.meta.get("val")) is not None:
            self.place(found, node.name, len(val.shape))
        return found

    def enter(self, node: fx.Node) -> str:
        """Let the reader be at a node; the name of its operator."""
        path, kind = _module(node)
        self.reader.scope, self.reader.kind, self.reader.node = path, kind, node
        return aten(node)

    def known(self, found: Any) -> Any:
        """The parameter itself, where what is computed of it has come back to it."""
        if not isinstance(found, Const) or found.path or len(found.sources) != 1:
            return found
        whole = self.held.get(found.sources[0])
        if whole is None or tuple(whole.shape) != found.array.shape:
            return found
        one = self.number(found.sources[0])
        same = one is not None and np.array_equal(one.array, found.array)
        return one if same else found

    def handled(self, node: fx.Node, name: str) -> Any:
        """By its handler, or by torch where no input has a part in it."""
        args = {at: self.made.get(at) for at in node.all_input_nodes}
        plain = all(isinstance(x, Const) for x in args.values())
        if name.startswith("wrap_with_"):
            return self.inlined(node)
        if name in CASTS and node.meta["val"].dtype.is_floating_point:
            return self.made[node.all_input_nodes[0]]  # all of ours are float32
        if name in CASTS and not plain:
            kind = str(node.meta["val"].dtype).partition(".")[2]
            raise Unread(f"it makes numbers of type {kind}")
        if (plain and name not in KEPT) or name in LIKE:
            return self.computed(node)
        if name not in HANDLERS:
            raise Unread("no operator of ours is this one")
        if not plain:
            found = self.of_values(node, name)
            if found is not None:
                return found
        return HANDLERS[name](self.reader, **filled(bound(node), self.made))

    def of_values(self, node: fx.Node, name: str) -> Any:
        """What an operator yields of values where it could have constants.

        None where nothing that it takes is computed of parameters, or where it takes
        constants alone.
        """
        made = {
            at: found
            for at in node.all_input_nodes
            if self.values.computed(at) and (found := self.values.value(at)) is not None
        }
        if not made:
            return None
        given = {at: made.get(at, self.made[at]) for at in node.all_input_nodes}
        self.enter(node)
        try:
            return HANDLERS[name](self.reader, **filled(bound(node), given))
        except Unread:
            return None

    def inlined(self, node: fx.Node) -> Any:
        """A part of the program that stands by itself, under autocast for example."""
        from torch.fx.node import map_arg

        args = list(node.all_input_nodes)
        part, given = self.made[args[0]], args[1:]
        for inner in part.graph.nodes:
            self.places[inner] = self.places[node]
            if inner.op == "placeholder":
                self.made[inner] = self.made[given.pop(0)]
            elif inner.op == "call_function":
                self.made[inner] = self.called(inner)
            elif inner.op == "output":
                return map_arg(inner.args[0], self.made.__getitem__)
        return None

    def computed(self, node: fx.Node) -> Any:
        """What torch computes of constants; memory is shared as torch shares it."""
        import torch
        from torch.fx.node import map_arg

        sources: dict[str, None] = {}
        writes = node.target._schema.is_mutable  # type: ignore[union-attr]

        def number(at: fx.Node) -> Any:
            x = self.made[at]
            if isinstance(x, View):
                return torch.empty(self.reader.shape(x))
            if not isinstance(x, Const):
                return x
            sources.update(dict.fromkeys(x.sources))
            # The module's own numbers are written to by none of this.
            shared = x.path is not None and (writes or aten(node) in ALIASES)
            array = x.array.copy() if shared else x.array
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is broadcast is not written to
                return torch.from_numpy(np.asarray(array))

        args = map_arg(node.args, number)
        kwargs = dict(map_arg(dict(node.kwargs), number))
        if "device" in kwargs:
            kwargs["device"] = None
        with torch.no_grad():
            found = node.target(*args, **kwargs)  # type: ignore[operator]
        if isinstance(found, torch.Tensor):
            return Const(found.numpy(), tuple(sources))
        if isinstance(found, (list, tuple)):
            return [
                Const(x.numpy(), tuple(sources)) if isinstance(x, torch.Tensor) else x
                for x in found
            ]
        return found

    def item(self, node: fx.Node) -> Any:
        of, at = node.all_input_nodes[0], int(str(node.args[1]))
        whole = self.made[of]
        return whole.take(at) if isinstance(whole, shapes.Parts) else whole[at]

    def lacking(self, node: fx.Node, causes: tuple[str, ...]) -> Lacking:
        """What cannot be read; what it writes into cannot be either, from there on."""
        found = Lacking(causes)
        if self.writes(node):
            for member in (self.root(node), *self.views(node)):
                self.made[member] = found
        return found

    def writes(self, node: fx.Node) -> bool:
        """Whether it changes a value that it is given, in its memory."""
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable or not node.all_input_nodes:
            return False
        return not isinstance(self.made.get(node.all_input_nodes[0]), Const)

    def root(self, node: fx.Node) -> fx.Node:
        """The tensor in whose memory a node writes."""
        root = node.all_input_nodes[0]
        while aten(root) in ALIASES and root.all_input_nodes:
            root = root.all_input_nodes[0]
        return root

    def views(self, node: fx.Node) -> set[fx.Node]:
        """What sees a part of the memory in which a node writes, made before that."""
        found: set[fx.Node] = set()
        left = [self.root(node)]
        while left:
            views = {user for user in left.pop().users if aten(user) in ALIASES}
            views = {user for user in views if self.places[user] < self.places[node]}
            left += views - found
            found |= views
        return found

    def new(self, node: fx.Node, name: str) -> Any:
        """What is written that no operator computes of what was there."""
        part, *more = (self.made[given] for given in node.all_input_nodes)
        if name == "copy":
            return more[0]
        if name not in ("fill", "zero"):
            return None
        value = bound(node)["value"] if name == "fill" else 0.0
        value = more[0].scalar if more and isinstance(more[0], Const) else value
        if not isinstance(value, int | float):
            raise Unread("a part that is filled with what is no fixed number")
        return Const(np.full((1, *self.reader.shape(part)[1:]), value, np.float32))

    def write(self, node: fx.Node, new: Any) -> None:
        """Let the tensor in whose memory a node writes have that from there on."""
        root, changed = self.root(node), node.all_input_nodes[0]
        after = self.places[node]
        if any(
            self.places[user] > after
            for member in self.views(node) - {root, changed}
            for user in member.users
        ):
            raise Unread("it writes into a part of a tensor that is read elsewhere")
        steps: list[tuple[int, int, int]] = []
        part = changed
        while part is not root:
            given, whole = bound(part), part.all_input_nodes[0]
            kind, sizes = aten(part), whole.meta["val"].shape
            axis = given.get("dim", 0) % len(sizes)
            if kind == "slice" and given["step"] == 1:
                ends = slice(given["start"], given["end"]).indices(sizes[axis])
                steps.insert(0, (axis, *ends[:2]))
            elif kind == "select":
                at = given["index"] % sizes[axis]
                inner = [(a + (a >= axis), *ends) for a, *ends in steps]
                steps = [(axis, at, at + 1), *inner]
                own = list(self.reader.shape(new))
                new = self.reader.reshape(new, (*own[:axis], 1, *own[axis:]))
            else:
                raise Unread("it writes into a part that is no range of positions")
            part = whole
        self.made[changed] = new
        self.made[root] = self.replaced(self.made[root], steps, new)

    def replaced(self, x: Any, steps: Sequence[tuple[int, int, int]], new: Any) -> Any:
        """A tensor with new numbers in the part that the ranges lead to."""
        if not steps:
            return new
        (axis, first, last), *rest = steps
        r, size = self.reader, self.reader.shape(x)[axis]
        inner = self.replaced(r.slice(x, axis, first, last - first), rest, new)
        sides = [r.slice(x, axis, 0, first)] if first else []
        after = [r.slice(x, axis, last, size - last)] if last < size else []
        return r.concat([*sides, inner, *after], axis)

    def check(self, node: fx.Node, name: str, found: Any) -> None:
        """Hold the sizes that were understood against those that torch tells."""
        told = node.meta.get("val")
        if not isinstance(found, (View, Const)) or not isinstance(told, _tensor()):
            return
        if name in ("expand", "expand_as", "repeat"):
            return
        ours, theirs = self.reader.shape(found), tuple(told.shape)
        # What no input changes has one for all of a batch.
        pairs = zip(ours, theirs, strict=False)
        if len(ours) != len(theirs) or any(
            n != m and (n, m) != (1, self.batch) for n, m in pairs
        ):
            raise Unread(
                f"it was read as a tensor of {list(ours)}, and is one of {list(theirs)}"
            )

    def place(self, found: View, name: str, rank: int) -> None:
        """Note where the program has a value, the first time that it has it."""
        if found.value in self.to.tensors:
            return
        axes = [axes for axes in found.axes if axes != (BATCH,)]
        flat = tuple(axis[0] for axis in axes if len(axis) == 1)
        whole = len(flat) == len(axes) == rank - 1 == self.to.types[found.value].rank
        self.to.tensors[found.value] = Tensor(name, flat if whole else ())


#: Operators that change the type of numbers alone.
CASTS: Final = frozenset(("to", "_to_copy", "type_as", "float", "half", "bfloat16"))
#: What is understood of constants as well, so that a value can be made of them later.
KEPT: Final = frozenset((
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "expand", "expand_as", "contiguous", "detach", "alias", "numpy_T",
    "mT",
))  # fmt: skip


def _tensor() -> Any:
    import torch

    return torch.Tensor


def _module(node: fx.Node) -> tuple[str, str]:
    """The path and the last name of the class of the module that calls a node."""
    stack = node.meta.get("nn_module_stack") or {}
    if not stack:
        return "", ""
    path, kind = list(stack.values())[-1]
    name = kind if isinstance(kind, str) else kind.__name__
    return path.partition("@")[0], name.rpartition(".")[2]


def _unread(name: str, causes: Sequence[str]) -> ResgenError:
    """One error with all that has no spelling."""
    found = list(dict.fromkeys(causes))
    shown = "".join(f"\n  {cause}" for cause in found)
    return ResgenError(
        f"{name} has {count(len(found), 'operator')} that cannot be read:{shown}",
        hint="read a part of the module without them, or write them with others",
    )
