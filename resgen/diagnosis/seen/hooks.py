"""Hooks on modules and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


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
