"""What happens to a network while somebody else trains it.

The loop stays as it is: a hook on the module counts the training steps, and every k-th
gets an :class:`~resgen.diagnosis.seen.observer.Observer` for the time of its pass.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from math import hypot, isfinite, sqrt
from pathlib import Path
from typing import Any, Final, Literal, Protocol, runtime_checkable

import torch

from resgen._version import __version__
from resgen.diagnosis.documents import DIAGNOSIS
from resgen.diagnosis.seen.found import found_parts
from resgen.diagnosis.seen.observer import Hook, Observer, module_at
from resgen.errors import ResgenError, UsageError
from resgen.options.kinds import argument, several, text, typed, whole
from resgen.options.kinds import path as path_kind
from resgen.records.diagnosis import (
    Arm,
    Diagnosis,
    Evaluation,
    Measures,
    Moment,
    Part,
    Run,
)
from resgen.words.numbers import stamp


@runtime_checkable
class Writer(Protocol):
    """What takes scalars: TensorBoard's SummaryWriter, or anything with its method."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any: ...


#: Figures that a writer gets, by the first word of the tag; after it the path of the
#: part. The root mean square of its output, ``activation``, is another.
_SCALARS: Final = (
    "gradient", "parameter_gradient", "relative_gradient", "branch", "shortcut",
)  # fmt: skip


class Watch:
    """Record how signals and gradients pass through ``model`` while it is trained::

        with resgen.watch(model, path="seen.json") as seen:
            for x, y in batches:
                loss = cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen.note(loss)

    A step is a call of ``model`` in training mode with gradients on; the first and
    then every ``every``-th is recorded, block by block, in the document that
    ``resgen diagnose`` writes: as ``seen.diagnosis()``, by ``seen.save(path)``, and at
    the end in ``path``, whichever way it ends. ``writer`` gets each figure as a scalar
    called ``gradient/layer1.0`` and so on, at the number of steps taken before.

    ``parts`` are paths of modules, or ``resgen``'s parts of a graph; without them they
    are the model's repeated blocks and what stands around these. Of a compiled model
    (give what ``torch.compile`` returns) only the gradients of parameters are seen.
    Gradients are those of what ``backward`` is called on, be it scaled or not.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        every: int = 10,
        parts: Sequence[Part | str] | None = None,
        writer: Writer | None = None,
        path: str | Path | None = None,
        name: str | None = None,
    ) -> None:
        kind = typed("a torch.nn.Module", torch.nn.Module)
        self.model: torch.nn.Module = argument("model", kind, model)
        self.every = argument("every", whole(), every)
        self.parts = _parts(model, parts)
        if writer is not None:
            writer = argument("writer", typed("one with add_scalar", Writer), writer)
        self.writer = writer
        self.path = (
            None if path is None else _writable(argument("path", path_kind(), path))
        )
        self.name = (
            type(model).__name__ if name is None else argument("name", text(""), name)
        )
        self.begun = stamp()
        #: Training steps begun so far.
        self.steps = 0
        self.moments: list[Moment] = []
        self.losses: dict[int, float | None] = {}
        self.evaluations: list[Evaluation] = []
        self.notes: list[str] = []
        self.left: int | None = None
        #: Whether an output was not finite.
        self.strange = False
        self.stopped: Literal["finished", "interrupted"] | None = None
        self.observer: Observer | None = None
        self.handle: Any = None

    def __enter__(self) -> Watch:
        if any(_is_watch(hook) for hook in self.model._forward_pre_hooks.values()):
            raise UsageError(
                f"this {type(self.model).__name__} is already watched",
                hint="leave the one `with resgen.watch(...)` before the next",
            )
        self.stopped = None
        self.handle = self.model.register_forward_pre_hook(Hook(self._arrive))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.handle.remove()
        self._finish()
        self.stopped = "finished" if kind is None else "interrupted"
        if self.path is not None:
            self.save(self.path)

    # --- what the loop says -----------------------------------------------------------

    def note(self, loss: float | torch.Tensor) -> None:
        """Keep the loss of the present step."""
        value = _number(loss)
        self.losses[self.steps] = value
        if value is None and self.left is None:
            self.left = self.steps
            self.notes.append(f"step {self.steps}: the loss is not finite")

    def evaluated(
        self, correct: int, count: int, loss: float | torch.Tensor | None = None
    ) -> None:
        """Keep how many of ``count`` held-back inputs are told right by now."""
        value = None if loss is None else _number(loss)
        self.evaluations.append(Evaluation(self.steps, value, correct, count))

    # --- what was seen ----------------------------------------------------------------

    def diagnosis(self) -> Diagnosis:
        """Everything recorded so far."""
        last = self._pending()
        moments = (*self.moments, *([] if last is None else [last]))
        losses: tuple[float | None, ...] = ()
        if self.losses:
            losses = tuple(self.losses.get(n) for n in range(1, self.steps + 1))
        run = Run(
            seed=torch.initial_seed(),
            moments=moments,
            losses=losses,
            evaluations=tuple(self.evaluations),
            left=self.left,
            stopped=self.stopped,
        )
        device = next((p.device for p in self.model.parameters()), "cpu")
        return Diagnosis(
            arms=(
                Arm(
                    name=self.name,
                    sha256=None,
                    plain=False,
                    params=sum(p.numel() for p in self.model.parameters()),
                    parts=self.parts,
                    runs=(run,),
                ),
            ),
            data=None,
            settings={"every": self.every},
            environment={
                "python": platform.python_version(),
                "torch": torch.__version__,
                "device": str(device),
            },
            command=tuple(sys.argv),
            created=self.begun,
            resgen=__version__,
            notes=tuple(self.notes),
        )

    def save(self, path: str | Path) -> None:
        """Write :meth:`diagnosis` as JSON; the file appears whole or not at all."""
        DIAGNOSIS.save(self.diagnosis(), Path(path))

    # --- the steps --------------------------------------------------------------------

    def _arrive(self, module: torch.nn.Module, inputs: object) -> None:
        """The model is called: the step before is over, and perhaps one begins."""
        self._finish()
        if not (module.training and torch.is_grad_enabled()):
            return
        self.steps += 1
        if (self.steps - 1) % self.every == 0:
            self.observer = Observer(module, [part.path for part in self.parts])
            self.observer.attach()

    def _finish(self) -> None:
        """Take the observer off and keep what it saw."""
        moment = self._pending()
        if self.observer is not None:
            self.observer.detach()
            self.observer = None
        if moment is None:
            return
        self.moments.append(moment)
        self._look_for_nonfinite(moment)
        if self.writer is not None:
            for part, measures in zip(self.parts, moment.parts, strict=True):
                figures = {name: getattr(measures, name) for name in _SCALARS}
                figures["activation"] = _rms(measures)
                for tag, value in figures.items():
                    if value is not None:
                        self.writer.add_scalar(f"{tag}/{part.path}", value, moment.step)

    def _pending(self) -> Moment | None:
        """What the observer has seen of the present step, if anything."""
        if self.observer is None:
            return None
        parts = self.observer.measures()
        if all(measures == Measures() for measures in parts):
            return None
        # The network as it was before this step, after those that went before.
        return Moment(self.steps - 1, self.losses.get(self.steps), parts)

    def _look_for_nonfinite(self, moment: Moment) -> None:
        """Say where values left the finite numbers, the first time that they do."""
        step = moment.step + 1
        if self.strange or (self.left is not None and self.left < step):
            return
        for part, measures in zip(self.parts, moment.parts, strict=True):
            if measures.nonfinite and measures.mean is None:
                self.strange = True
                self.left = step
                self.notes.append(
                    f"step {step}: {measures.nonfinite} values of the output of "
                    f"{part.path} are not finite; it is the first part with such values"
                )
                return


#: As a person calls it.
watch = Watch


def _rms(measures: Measures) -> float | None:
    """Root mean square of the output."""
    if measures.mean is None or measures.variance is None:
        return None
    return hypot(measures.mean, sqrt(max(measures.variance, 0.0)))


def _parts(
    model: torch.nn.Module, given: Sequence[Part | str] | None
) -> tuple[Part, ...]:
    if model._compiled_call_impl is not None:
        raise UsageError(
            f"this {type(model).__name__} was compiled in place, where it cannot be "
            f"watched",
            hint="use `compiled = torch.compile(model)`, and watch `compiled`",
        )
    if given is None:
        parts = found_parts(model)
        if not parts:
            raise UsageError(
                f"{type(model).__name__} has no parts with parameters to watch",
                hint="watch the network as a whole, and not one of its layers",
            )
        return parts
    made = []
    kind = typed("the path of a module in it, or a Part", str, Part)
    for part in (argument("parts", kind, each) for each in several(given)):
        found = module_at(model, part if isinstance(part, str) else part.path)
        label = type(found).__name__
        made.append(Part(part, "part", label) if isinstance(part, str) else part)
    return tuple(made)


def _is_watch(hook: object) -> bool:
    return isinstance(hook, Hook) and isinstance(
        getattr(hook.call, "__self__", None), Watch
    )


def _writable(path: Path) -> Path:
    """The path, if a file can be made there: known before the training, not after."""
    if path.is_dir():
        raise ResgenError(f"{path} is a folder", hint="name a file in it")
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        why = "is no folder that can be written to"
        raise ResgenError(f"cannot write {path}: {folder} {why}")
    return path


def _number(value: float | torch.Tensor) -> float | None:
    """A scalar, or None if it is not finite."""
    number = float(value.detach() if isinstance(value, torch.Tensor) else value)
    return number if isfinite(number) else None
