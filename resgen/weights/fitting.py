"""Do these weights fit this network? All that is wrong with them, said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from resgen.errors import ResgenError, did_you_mean
from resgen.graph.ir import Parameter
from resgen.weights.evaluate import Array

#: How many names of each kind a message spells out.
LISTED: Final = 10
#: Beyond how many missing names none is suggested for an unexpected one.
SUGGESTED: Final = 200


def compare(parameters: Iterable[Parameter], weights: Mapping[str, Array]) -> None:
    """Raise one ResgenError that lists all missing, unexpected and mis-shaped names."""
    wanted = {p.name: p for p in parameters}
    missing = [name for name in wanted if name not in weights]
    unexpected = [name for name in weights if name not in wanted]
    changed = [
        name
        for name, p in wanted.items()
        if name in weights and not _agrees(weights[name], p)
    ]
    if not (missing or unexpected or changed):
        return
    # Where most names differ they differ by a rule, which single guesses only hide.
    meant = missing if len(missing) <= SUGGESTED else []
    lines = [
        "the weights do not fit the network",
        *_listed(
            "missing from the weights",
            missing,
            lambda name: f"{name} ({_shape(wanted[name].shape)})",
        ),
        *_listed(
            "not of this network",
            unexpected,
            lambda name: (
                f"{name} ({_shape(weights[name].shape)})" + did_you_mean(name, meant)
            ),
        ),
        *_listed(
            "of another shape or type",
            changed,
            lambda name: f"{name} is {_differs(weights[name], wanted[name])}",
        ),
    ]
    alone = not (missing or unexpected)
    hint = _other_classes(changed, weights, wanted) if alone else None
    raise ResgenError("\n".join(lines), hint=hint)


def _agrees(array: Array, parameter: Parameter) -> bool:
    floating = parameter.dtype == "float32"
    return array.shape == parameter.shape and (array.dtype.kind == "f") is floating


def _differs(array: Array, parameter: Parameter) -> str:
    """``1000 x 2048, the network has 10 x 2048``."""
    if array.shape == parameter.shape:
        return f"{array.dtype}, the network has {parameter.dtype}"
    return f"{_shape(array.shape)}, the network has {_shape(parameter.shape)}"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a scalar"


def _listed(title: str, names: Sequence[str], entry: Callable[[str], str]) -> list[str]:
    """A heading and the first few names, or nothing if there are none."""
    if not names:
        return []
    lines = [f"  {title} ({len(names)}):"]
    lines += [f"    {entry(name)}" for name in names[:LISTED]]
    if len(names) > LISTED:
        lines.append(f"    and {len(names) - LISTED} more")
    return lines


def _other_classes(
    changed: Sequence[str],
    weights: Mapping[str, Array],
    wanted: Mapping[str, Parameter],
) -> str | None:
    """A hint for weights that differ from the network in their number of classes.

    So they do if only the output channels of one layer differ: those of any layer but
    the last are the next one's input channels.
    """
    pairs = [(weights[name].shape, wanted[name].shape) for name in changed]
    owners = {name.rpartition(".")[0] for name in changed}
    rows = {found[:1] for found, _ in pairs}
    if len(owners) != 1 or len(rows) != 1 or any(a[1:] != b[1:] for a, b in pairs):
        return None
    classes = ", ".join(map(str, rows.pop()))
    return f"--set /head/classes={classes} builds the network of these weights"
