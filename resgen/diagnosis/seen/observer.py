"""One forward and backward pass, seen part by part while it happens.

Nothing is kept but numbers: hooks reduce every output and every gradient as soon as it
is there. An observer is attached for one pass and then taken off, so that passes that
are not looked at cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import hypot, isfinite
from typing import Any, Final, TypeAlias

import torch

from resgen.diagnosis.seen.gains import gains
from resgen.diagnosis.seen.numbers import (
    correlation,
    is_weight,
    moments,
    nonfinite,
    norm,
)
from resgen.diagnosis.seen.sums import Looking, Passing, edge
from resgen.errors import UsageError
from resgen.records.diagnosis import Measures

Tensor: TypeAlias = torch.Tensor

#: Random vectors that a gain is estimated from.
PROBES: Final = 2


@dataclass(slots=True)
class _Seen:
    """What is known of one part so far: ``values`` by the names of :class:`Measures`.

    ``passed`` once its output was seen, ``awaited`` once its gradient will be.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    nonfinite: int = 0
    passed: bool = False
    awaited: bool = False

    def measures(self) -> Measures:
        finite = {
            name: value
            for name, value in self.values.items()
            if value is not None and isfinite(value)
        }
        return Measures(**finite, nonfinite=self.nonfinite)


class Observer:
    """Measures the parts of a module in the first forward and backward pass within it::

        with Observer(model, ["layer1.0", "layer1.1"]) as seen:
            loss = cross_entropy(model(x), y)
            loss.backward()
        seen.measures()[0].gradient

    ``paths`` name the parts; the first axis of what they give out is the batch.
    ``pairs`` says that input i and input i + B/2 of the batch are neighbours.
    ``thorough`` measures gains and dead units as well, at the cost of about another
    pass. ``seed`` is that of the gains' random vectors.

    Gradients are those of what ``backward`` is called on: a loss that was scaled or
    divided gives scaled gradients, and what earlier passes left in ``.grad`` does not
    count. A part that runs several times is seen the first time. Of a module that is
    compiled, only the gradients of its parameters are seen.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        paths: Sequence[str],
        *,
        thorough: bool = False,
        pairs: bool = False,
        seed: int = 0,
    ) -> None:
        self.module = module
        self.parts = [module_at(module, path) for path in paths]
        self.thorough = thorough
        self.pairs = pairs
        self.seed = seed
        self.draws: dict[torch.device, torch.Generator] = {}
        self.seen = [_Seen() for _ in paths]
        self.looking = Looking(relus=thorough)
        self.entered = False
        self.probing = False
        self.handles: list[Any] = []

    def __enter__(self) -> Observer:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def measures(self) -> tuple[Measures, ...]:
        """What was seen of each part, in the order of the paths."""
        return tuple(seen.measures() for seen in self.seen)

    # --- hooks ------------------------------------------------------------------------

    def attach(self) -> None:
        """Begin to look: the next forward pass is the one that is seen."""
        for part, seen in zip(self.parts, self.seen, strict=True):
            for parameter in part.parameters():
                if parameter.requires_grad:
                    hook = self._parameter_hook(parameter, seen)
                    self.handles.append(on_gradient(parameter, hook))
        if _compiled(self.module):
            return
        for part, seen in zip(self.parts, self.seen, strict=True):
            before, after = self._part_hooks(seen)
            self.handles += [
                part.register_forward_pre_hook(Hook(before), with_kwargs=True),
                part.register_forward_hook(Hook(after), always_call=True),
            ]
        end = Hook(lambda *_: self._close())
        self.handles.append(self.module.register_forward_hook(end, always_call=True))
        self.looking.__enter__()  # type: ignore[no-untyped-call]
        self.entered = True

    def detach(self) -> None:
        """Take off all hooks; what was seen stays."""
        self._close()
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def _close(self) -> None:
        """The forward pass is over, or was given up."""
        if self.entered:
            self.entered = False
            self.looking.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        while self.looking.running:
            self.looking.running.pop().leave()

    def _part_hooks(
        self, seen: _Seen
    ) -> tuple[Callable[..., Any], Callable[..., None]]:
        """What happens before and after a part runs."""

        def before(
            module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            if seen.passed or not self.entered:
                return None
            changed = None
            x = _first((args, kwargs))
            if self.thorough and x is not None and not x.requires_grad:
                # A gain ends at the input, so the input must be part of the graph.
                leaf = x.detach().requires_grad_()
                args, kwargs = _replaced(args, x, leaf), _replaced(kwargs, x, leaf)
                changed, x = (args, kwargs), leaf
            source = None if x is None else edge(x)
            past = [] if x is None else [x]
            self.looking.running.append(Passing(module, source, past))
            return changed

        def after(module: torch.nn.Module, args: Any, output: Any) -> None:
            x = _first(output)
            if not seen.passed and self.entered and self.looking.running:
                seen.passed = True
                passing = self.looking.running.pop()
                passing.leave()
                if x is not None:
                    self._forward(seen, x, passing)
            # A checkpointed part runs once without a graph and again with one.
            if x is not None and x.requires_grad and not seen.awaited:
                seen.awaited = True
                self.handles.append(on_gradient(x, self._gradient_hook(seen)))

        return before, after

    def _forward(self, seen: _Seen, x: Tensor, passing: Passing) -> None:
        """What a part gave out, and what it added up to get there."""
        found, values, total = moments(x.detach()), seen.values, passing.total
        values.update(mean=found.mean, variance=found.variance, alike=found.alike)
        seen.nonfinite += found.nonfinite
        if total is not None:
            values.update(branch=total.branch, shortcut=total.shortcut)
        if not self.thorough:
            return
        if passing.channels:
            values["dead"] = passing.zero / passing.channels
        if passing.source is not None and x.requires_grad:
            self.probing = True
            try:
                values |= gains(x, passing.source, total, PROBES, self._draw(x.device))
            finally:
                self.probing = False

    def _draw(self, device: torch.device) -> torch.Generator:
        """Where the random vectors on this device come from."""
        if device not in self.draws:
            self.draws[device] = torch.Generator(device).manual_seed(self.seed)
        return self.draws[device]

    def _gradient_hook(self, seen: _Seen) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            if self.probing or "gradient" in seen.values:
                return
            size = seen.values["gradient"] = norm(gradient)
            if not isfinite(size):
                seen.nonfinite += nonfinite(gradient)
            elif self.pairs:
                seen.values["correlation"] = correlation(gradient)

        return hook

    def _parameter_hook(
        self, parameter: Tensor, seen: _Seen
    ) -> Callable[[Tensor], None]:
        values = seen.values

        def hook(gradient: Tensor) -> None:
            if self.probing:
                return
            size = norm(gradient)
            before = values.get("parameter_gradient") or 0.0
            values["parameter_gradient"] = hypot(before, size)
            weight = norm(parameter.detach()) if is_weight(parameter) else 0.0
            if weight:
                largest = values.get("relative_gradient") or 0.0
                values["relative_gradient"] = max(largest, size / weight)

        return hook


def module_at(module: torch.nn.Module, path: str) -> torch.nn.Module:
    """The module within ``module`` at a path; UsageError if there is none."""
    try:
        return module.get_submodule(path)
    except AttributeError as missing:
        raise UsageError(
            f'{type(module).__name__} has no module "{path}"',
            hint="`model.named_modules()` gives the paths of all modules",
        ) from missing


def _compiled(module: torch.nn.Module) -> bool:
    """Whether torch.compile runs it, or a module in it, where hooks are not called."""
    return any(
        hasattr(m, "_orig_mod") or m._compiled_call_impl is not None
        for m in module.modules()
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    """The floating tensors of nested arguments or outputs."""
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.ndim and value.numel():
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _first(value: Any) -> Tensor | None:
    return next(_tensors(value), None)


def _replaced(value: Any, old: Tensor, new: Tensor) -> Any:
    """``value`` with ``new`` for ``old``."""
    if value is old:
        return new
    if type(value) in (list, tuple):
        return type(value)(_replaced(item, old, new) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    return value


class Hook:
    """A hook that belongs to one module and not to its copies.

    People copy and save a model in the middle of a loop; what watches it cannot be
    pickled and has no business in the copy, where it does nothing instead.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Nothing, ()


class _Nothing:
    """What a :class:`Hook` is in a copy."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        return None


def on_gradient(
    x: torch.Tensor, hook: Callable[[torch.Tensor], torch.Tensor | None]
) -> Any:
    """Call ``hook`` with the gradient of ``x``; what it returns takes its place."""
    return x.register_hook(hook)  # type: ignore[no-untyped-call]
