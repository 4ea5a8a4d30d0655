"""How torch's names are written in the file, and what their arguments are called."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pkgutil import resolve_name
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.lower.source.expressions import MAKE, Call, Expr, Leaf, Name, Signature
from resgen.ops.types import Function, Initializer, Module, Normal, Spelling, Uniform

#: Where what a network needs and torch lacks is; its text goes into the file.
HELPERS: Final = "resgen.lower.modules"
_SHORT: Final = (
    ("torch.nn.functional.", "F."),
    ("torch.nn.", "nn."),
    (f"{HELPERS}.", ""),
)
#: Arguments that take a number where an axis has no other than its neighbours.
_BY_AXIS: Final = {
    "kernel_size", "stride", "padding", "output_padding", "dilation", "output_size",
    "scale_factor",
}  # fmt: skip
#: What the constants of functions are called where they come to be arguments.
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "narrow": ("axis", "start", "size"),
    "pad": ("padding",),
    "unflatten": ("axis", "size"),
    "mul": ("scale",),
}
#: Of these the place on a device is no part of the network.
_PLACES: Final = {"self", "device", "dtype"}


def short(target: str) -> str:
    """``torch.nn.Conv2d`` as ``nn.Conv2d``; what is not torch's or ours is refused."""
    for home, written in _SHORT:
        if target.startswith(home):
            return written + target.removeprefix(home)
    if target.startswith("torch."):
        return target
    raise ResgenError(
        f"{target} cannot be written into a Python file of its own",
        hint="such a file is written of a network as its spec states it",
    )


def constructed(spelling: Module) -> Call:
    """The call that makes a module, with every argument, so that calls compare."""
    target = short(spelling.target)
    known = signature(target)
    given = dict(zip(known.names, spelling.args, strict=False))
    if len(spelling.args) > len(known.names):
        raise ValueError(f"{spelling.target} takes no {len(spelling.args)} arguments")
    found = {**known.defaults, **given, **spelling.kwargs}
    order = [name for name in known.names if name in found]
    axes = _BY_AXIS if target.startswith(("nn.", "StdConv")) else ()
    leaves = tuple(
        (name, Leaf(_one(found[name]) if name in axes else found[name], name))
        for name in order
    )
    if target.startswith("nn.") and all(
        known.defaults.get(name, leaf) == leaf.value for name, leaf in leaves
    ):
        return Call(MAKE, (("", Leaf(Name(target), _snake(target))),))
    return Call(target, leaves)


def called(spelling: Function) -> Call:
    """The constants of a function: positional ones have no name."""
    roles = (*_ROLES.get(spelling.target.rpartition(".")[2], ()), *[""] * 9)
    found = [
        ("", _tree(v, role)) for v, role in zip(spelling.args, roles, strict=False)
    ]
    found += [(name, _tree(value, name)) for name, value in spelling.kwargs.items()]
    return Call(short(spelling.target), tuple(found))


def _tree(value: Any, role: str) -> Expr:
    """A constant of a function; each number of a tuple is one by itself."""
    if isinstance(value, tuple) and all(type(each) is int for each in value):
        return Call("", tuple(("", Leaf(each, role)) for each in value))
    return Leaf(value, role)


def spelled(spelling: Spelling) -> Call:
    """What a node is written as; reshaping takes no module."""
    if isinstance(spelling, Function):
        return called(spelling)
    if spelling.target == f"{HELPERS}.Reshape":
        return Call("reshape", tuple(("", Leaf(n, "size")) for n in spelling.args))
    return constructed(spelling)


def initial(shape: tuple[int, ...], init: Initializer) -> Expr:
    """Fresh numbers of a parameter that has no module."""
    whole = Call("", tuple(("", Leaf(n, "width")) for n in shape))
    sizes = whole.arguments or (("", whole),)  # a number has the shape ()
    if isinstance(init, Normal | Uniform):
        empty = Call("torch.empty", sizes)
        if isinstance(init, Normal):
            drawn = (("", empty), ("std", Leaf(float(init.std), "std")))
            return Call("nn.init.normal_", drawn)
        bound = float(init.bound)
        ends = (("", Leaf(-bound, "low")), ("", Leaf(bound, "high")))
        return Call("nn.init.uniform_", (("", empty), *ends))
    if init.value in (0, 1):
        return Call("torch.ones" if init.value else "torch.zeros", sizes)
    value = Leaf(float(init.value), "initial")
    return Call("torch.full", (("", whole), ("", value)))


@cache
def signature(target: str) -> Signature:
    """The arguments of a class by its name in the file."""
    made: Any = None
    for home, written in _SHORT:
        if written and target.startswith(written):
            made = resolve_name(home + target.removeprefix(written))
    made = made or resolve_name(f"{HELPERS}.{target}")
    names: list[str] = []
    defaults: dict[str, Any] = {}
    for each in made.__mro__:
        init = each.__dict__.get("__init__")
        if init is None:
            continue
        found = inspect.signature(init).parameters.values()
        own = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        own = [p for p in own if p.name not in {*_PLACES, *names}]
        # What a class adds comes after what it hands on.
        names = [*(p.name for p in own), *names]
        defaults.update((p.name, p.default) for p in own if p.default is not p.empty)
        if len(own) == len([p for p in found if p.name not in _PLACES]):
            break
    return Signature(tuple(names), defaults)


def _one(value: Any) -> Any:
    """One number for all axes where that says the same."""
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if alike else value


def _snake(target: str) -> str:
    """The role of a class that is passed as an argument."""
    return "activation" if target.startswith("nn.") else target.lower()
