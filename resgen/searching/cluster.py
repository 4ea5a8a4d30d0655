"""Trials trained on a Ray cluster, as many at a time as it has processors for.

Training alone runs there: Ray puts several tasks on one machine, where a latency would
be that of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, TypeAlias

from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.files.whole import make_folder, write_bytes
from resgen.runtime.base import load, reason
from resgen.searching.halving import Reached
from resgen.searching.training import Contender, Lesson, advance, files

#: What a task tells: what was reached, and the files of its state and weights.
Told: TypeAlias = tuple[Reached, bytes | None, bytes | None]
#: Who is asked for a cluster that is only this machine.
LOCAL: Final = "local"


def load_ray() -> ModuleType:
    """The package, or :class:`~resgen.errors.MissingComponent`."""
    return load("ray", "Ray", "trials cannot be trained on a cluster", "ray")


class OnRay:
    """Trains trials as tasks of Ray; a context manager that leaves the cluster.

    ``address`` is that of a cluster (``ray://HOST:10001``, ``auto``), or ``local`` for
    one that this process starts and that ends with it. Each task gets as many
    processors as the lesson has threads. States of training go to the task and come
    back, so the machines need no folder in common; the data must lie at the same path
    on all of them. A task whose machine is lost begins again elsewhere; a search that
    is killed loses what its tasks had learned of the rung under way.

    Without Ray it raises :class:`~resgen.errors.MissingComponent`, and
    :class:`~resgen.errors.ResgenError` for a cluster that it does not reach.
    """

    def __init__(self, lesson: Lesson, address: str = LOCAL) -> None:
        self._ray = load_ray()
        self._threads = lesson.threads
        # A cluster of one process needs no page about itself, nor do its statistics
        # concern anybody.
        own = {"include_dashboard": False} if address == LOCAL else {}
        try:
            self._ray.init(
                address=address, log_to_driver=False, logging_level="error", **own
            )
        except Exception as error:
            if address == LOCAL:
                raise ResgenError(
                    f"Ray does not start on this machine: {reason(error)}",
                    hint="search again when it is less busy: it goes on where it was; "
                    "without a cluster trials train in this process",
                ) from error
            raise ResgenError(
                f"Ray does not reach a cluster at {address}: {reason(error)}",
                hint="`ray status` on its head shows whether one runs",
            ) from error

    def __enter__(self) -> OnRay:
        try:
            self._require_threads()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ray.shutdown()

    @property
    def width(self) -> int:
        """How many tasks the cluster has processors for, at least one."""
        processors = self._ray.cluster_resources().get("CPU", 1)
        return max(1, int(processors) // self._threads)

    def _require_threads(self) -> None:
        """A task that no machine has the processors for would wait for ever."""
        most = max(
            (node["Resources"].get("CPU", 0) for node in self._ray.nodes()), default=0
        )
        if most < self._threads:
            raise ResgenError(
                f"a trial takes {self._threads} threads, and no machine of the cluster "
                f"has more than {most:g} processors",
                hint="train on fewer threads",
            )

    def train(
        self, trials: Sequence[Contender], lesson: Lesson, until: int, folder: Path
    ) -> Iterator[Reached]:
        """As :class:`~resgen.searching.rungs.Trainer`; a trial's error is raised."""
        task = self._ray.remote(num_cpus=lesson.threads)(_advanced)
        waiting: dict[Any, Contender] = {}
        for trial in trials:
            state, _ = files(trial, lesson, folder)
            waiting[task.remote(trial, lesson, until, _read(state))] = trial
        try:
            while waiting:
                (done, *_), _ = self._ray.wait(list(waiting), num_returns=1)
                trial = waiting.pop(done)
                reached, *held = self._result(done)
                places = files(trial, lesson, folder)
                for place, content in zip(places, held, strict=True):
                    if content is not None:
                        make_folder(place.parent)
                        write_bytes(place, content)
                yield reached
        finally:
            for one in waiting:
                self._ray.cancel(one, force=True)

    def _result(self, done: Any) -> Told:
        try:
            found: Told = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ResgenError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayError as error:
            raise ResgenError(
                f"a trial was lost on the cluster: {reason(error)}",
                hint="search again: it goes on where it was",
            ) from error
        return found


def _advanced(
    trial: Contender, lesson: Lesson, until: int, state: bytes | None
) -> Told:
    """What a task does: a trial reaches a rung in a folder that is then gone."""
    with temporary_folder() as folder:
        left, weights = files(trial, lesson, folder)
        if state is not None:
            make_folder(left.parent)
            write_bytes(left, state)
        reached = advance(trial, lesson, until, folder)
        return reached, _read(left), _read(weights)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
