"""Do these weights fit this network? All that is wrong with them, said at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from resgen.errors import ResgenError, did_you_mean
from resgen.graph.ir import Parameter
from resgen.options.kinds import told
from resgen.weights.names import LISTED, common_prefix, counts_batches, is_tensor, short
from resgen.words.numbers import shape

#: Beyond how many missing names none is suggested for an unexpected one.
SUGGESTED: Final = 200


@dataclass(frozen=True, slots=True)
class Misfit:
    """Names in which weights and network differ; ``changed`` are those of both."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)


def compare(parameters: Sequence[Parameter], weights: Mapping[str, Any]) -> Misfit:
    """What is missing from the weights, not of the network, or of another shape."""
    wanted = {p.name: p for p in parameters}
    return Misfit(
        tuple(name for name in wanted if name not in weights),
        tuple(name for name in weights if name not in wanted),
        tuple(
            name
            for name, p in wanted.items()
            if name in weights and not agrees(weights[name], p)
        ),
    )


def agrees(value: Any, parameter: Parameter) -> bool:
    """Whether an array or tensor can be this parameter.

    Batch norm's counters may be numbers of any type: averages of weights make floats
    of them, and they do not take part in what a network computes.
    """
    if not is_tensor(value) or tuple(value.shape) != parameter.shape:
        return False
    known = is_float(value) is (parameter.dtype == "float32")
    return known or counts_batches(parameter.name)


def is_float(value: Any) -> bool:
    """Whether an array or tensor is of floats, of any width."""
    return "float" in str(value.dtype)


def refusal(
    misfit: Misfit,
    parameters: Sequence[Parameter],
    weights: Mapping[str, Any],
    origin: str,
    hint: str | None,
) -> ResgenError:
    """The error that lists it all, or says in one sentence that no name is known."""
    wanted = {p.name: p for p in parameters}
    needed = [name for name in wanted if not counts_batches(name)]
    if len(misfit.missing) == len(needed):
        return ResgenError(
            f"none of the {len(misfit.extra)} names in {origin} is one of the "
            f"network's {len(needed)}: {_alike(misfit.extra)}; the network's: "
            f"{_alike(needed)}",
            hint=hint,
        )
    # Where most names differ they differ by a rule, which single guesses only hide.
    meant = misfit.missing if len(misfit.missing) <= SUGGESTED else ()
    lines = [
        f"the weights in {origin} do not fit the network",
        *_listed(
            "missing from the weights",
            misfit.missing,
            lambda name: f"({shape(wanted[name].shape)})",
        ),
        *_listed(
            "not of this network",
            misfit.extra,
            lambda name: f"({_size(weights[name])})" + did_you_mean(name, meant),
        ),
        *_listed(
            "of another shape or type",
            misfit.changed,
            lambda name: f"is {_differs(weights[name], wanted[name])}",
        ),
    ]
    return ResgenError("\n".join(lines), hint=hint)


def _differs(value: Any, parameter: Parameter) -> str:
    """``1000 x 2048, the network has 10 x 2048``."""
    if is_tensor(value) and tuple(value.shape) == parameter.shape:
        found = str(value.dtype).removeprefix("torch.")
        return f"{found}, the network has {parameter.dtype}"
    return f"{_size(value)}, the network has {shape(parameter.shape)}"


def _size(value: Any) -> str:
    return shape(value.shape) if is_tensor(value) else f"{told(value)}, no tensor"


def _alike(names: Sequence[str]) -> str:
    """What names look like, by two of them."""
    begin = common_prefix(names)
    told = " and ".join(f'"{short(name)}"' for name in names[:2])
    if begin:
        return f'all begin with "{short(begin)}", as {told}'
    return f"they are {told}, ..."


def _listed(title: str, names: Sequence[str], what: Callable[[str], str]) -> list[str]:
    """A heading and the first few names, each with what is told of it, if any."""
    if not names:
        return []
    lines = [f"  {title} ({len(names)}):"]
    lines += [f"    {short(name)} {what(name)}" for name in names[:LISTED]]
    if len(names) > LISTED:
        lines.append(f"    and {len(names) - LISTED} more")
    return lines
