"""Training on disk: each run a file of its own, to be taken up again.

A file holds weights and momentum as tensors, and in its metadata what was seen and
what the training depended on, so that it is whole or not there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.training.learner import Learner
from resgen.diagnosis.training.options import (
    EVALUATIONS,
    MOMENTS,
    MOMENTUM,
    WEIGHT_DECAY,
    Options,
    Trainee,
)
from resgen.document.decoding import Misfit, decode
from resgen.document.files import plain
from resgen.errors import ResgenError, UsageError
from resgen.files.ordinary import unreadable
from resgen.files.whole import make_folder, unwritable, whole
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Run
from resgen.weights.checkpoint import from_state_dict
from resgen.weights.evaluate import Weights
from resgen.weights.safetensors import write_safetensors

#: Key of the metadata, and the version of what lies under it.
MARK: Final = "resgen_training"
FORMAT: Final = 1
#: Where the states lie in the folder of a diagnosis, and where kept weights do.
TRAINING: Final = "training"
WEIGHTS: Final = "weights"
_MODEL: Final = "model."
_MOMENTUM: Final = "momentum."
_FRESH: Final = "train anew instead of resuming, or name another folder"


def saved_threads(folder: Path) -> int | None:
    """The threads of the training whose state lies in the folder, if one does.

    What cannot be read is for :meth:`States.restore` to say.
    """
    for path in sorted((folder / TRAINING).glob("*.safetensors")):
        try:
            with safe_open(str(path), framework="pt") as file:
                settings = json.loads((file.metadata() or {})["content"])["settings"]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            continue
        if isinstance(settings, dict) and isinstance(settings.get("threads"), int):
            return int(settings["threads"])
    return None


class States:
    """The files of all runs of one training, in one folder."""

    def __init__(
        self,
        folder: Path,
        trainees: Sequence[Trainee],
        dataset: Dataset,
        options: Options,
    ) -> None:
        self._folder = folder
        self._options = options
        names = Counter(file_name(trainee.name, 0) for trainee in trainees)
        for trainee in trainees:
            if names[file_name(trainee.name, 0)] > 1:
                raise UsageError(
                    f'two networks are called "{trainee.name}", in files at least',
                    hint='give one of the specs another "name"',
                )
        self._settings = {
            trainee.name: _settings(trainee, dataset, options) for trainee in trainees
        }

    def discard(self) -> None:
        """Remove the files of these runs: training begins anew."""
        for name in self._settings:
            for seed in self._options.seeds:
                path = self._path(name, seed)
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise unwritable(path, error) from error
        with suppress(OSError):
            self._folder.rmdir()  # only if it is empty

    def save(self, learners: Sequence[Learner]) -> None:
        """Write the state of every run that is not in the middle of a step.

        Of one that is, the file of an earlier step stays.
        """
        fresh = [folder for folder in self._folder.parents if not folder.exists()]
        make_folder(self._folder)
        try:
            for learner in learners:
                if learner.whole:
                    self._save(learner)
        finally:
            for folder in (self._folder, *fresh):
                with suppress(OSError):
                    folder.rmdir()  # only if it is empty

    def _save(self, learner: Learner) -> None:
        content = {
            "settings": self._settings[learner.trainee.name],
            "run": plain(learner.run()),
        }
        metadata = {MARK: str(FORMAT), "content": json.dumps(content)}
        path = self._path(learner.trainee.name, learner.seed)
        with whole(path) as aside:
            try:
                save_file(_tensors(learner), aside, metadata)
            except SafetensorError as error:  # a full disk is no OSError there
                raise ResgenError(f"cannot write {path}: {error}") from error

    def restore(self, learners: Sequence[Learner]) -> None:
        """Give every run the state of its file; one without a file begins anew."""
        found = {
            one: path
            for one in learners
            if (path := self._path(one.trainee.name, one.seed)).is_file()
        }
        if not found:
            raise ResgenError(
                f"there is no training to resume in {self._folder}",
                hint="name the folder of the interrupted one, or train anew",
            )
        for learner, path in found.items():
            self._restore(learner, path)

    def _restore(self, learner: Learner, path: Path) -> None:
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get(MARK) != str(FORMAT):
                raise _unknown(path, "it is of another version of resgen's")
            content = json.loads(metadata["content"])
            run = decode(Run, content["run"])
            settings = content["settings"]
        except OSError as error:
            raise unreadable(path, error) from error
        except (SafetensorError, ValueError, KeyError, TypeError, Misfit) as error:
            raise _unknown(path, str(error)) from error
        wanted = self._settings[learner.trainee.name]
        differences = list(_differences(settings, wanted))
        if differences:
            raise ResgenError(
                f"{path} is of another training: {'; '.join(differences)}",
                hint=f"take the same options to resume it, or {_FRESH}",
            )
        try:
            _load(learner, tensors)
        except (RuntimeError, KeyError) as error:
            raise _unknown(path, str(error)) from error
        learner.losses = list(run.losses)
        learner.evaluations = list(run.evaluations)
        learner.moments = list(run.moments)
        learner.left = run.left

    def _path(self, name: str, seed: int) -> Path:
        return self._folder / file_name(name, seed)


# --- what the numbers depend on -------------------------------------------------------


def _settings(trainee: Trainee, dataset: Dataset, options: Options) -> dict[str, Any]:
    """Everything but the seed that decides a run's numbers, as a person knows it."""
    more: dict[str, Any] = {}
    if trainee.weights is not None:
        state = None if trainee.teacher is None else trainee.teacher.state_dict()
        taught = None if state is None else _sha256(from_state_dict(state))
        more = {"weights": _sha256(trainee.weights), "teacher": taught}
    if options.annealed:
        more["annealed"] = True
    return {
        "network": _digest(trainee.graph),
        "parts": list(trainee.paths),
        "data": dataset.digest,
        "output": dataset.scores.name,
        "steps": options.steps,
        "batch size": options.batch,
        "learning rate": options.rate,
        "threads": options.threads,
        "momentum": MOMENTUM,
        "weight decay": WEIGHT_DECAY,
        "evaluations": EVALUATIONS,
        "moments": MOMENTS,
        **more,
    }


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What of the settings is another, in words."""
    for key, value in now.items():
        if was.get(key) != value:
            # Digests and lists of paths tell a person nothing.
            told = key not in ("network", "parts", "data", "weights", "teacher")
            yield f"{key} {was.get(key)}, not {value}" if told else f"other {key}"


def _sha256(weights: Weights) -> str:
    made = sha256()
    for name, array in sorted(weights.items()):
        made.update(name.encode() + array.tobytes())
    return made.hexdigest()


def _digest(graph: Graph) -> str:
    """The SHA-256 of what a graph computes, whatever file and line it came from."""
    nodes = [(n.name, n.op, n.inputs, n.operands) for n in graph.nodes]
    text = repr((graph.inputs, graph.outputs, nodes, graph.parameters))
    return sha256(text.encode()).hexdigest()


# --- tensors --------------------------------------------------------------------------


def _tensors(learner: Learner) -> dict[str, torch.Tensor]:
    tensors = {_MODEL + k: v for k, v in learner.module.state_dict().items()}
    for name, parameter in learner.module.named_parameters():
        held = learner.optimizer.state.get(parameter, {}).get("momentum_buffer")
        if held is not None:
            tensors[_MOMENTUM + name] = held
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _load(learner: Learner, tensors: Mapping[str, torch.Tensor]) -> None:
    n = len(_MODEL)
    state = {k[n:]: v for k, v in tensors.items() if k.startswith(_MODEL)}
    learner.module.load_state_dict(state)
    for name, parameter in learner.module.named_parameters():
        held = tensors.get(_MOMENTUM + name)
        if held is not None:
            buffer = held.to(parameter.device)
            learner.optimizer.state[parameter]["momentum_buffer"] = buffer


def _unknown(path: Path, why: str) -> ResgenError:
    return ResgenError(f"{path} is no state of training: {why}", hint=_FRESH)


def file_name(name: str, seed: int) -> str:
    """A file for a network and a seed, whatever the network is called.

    >>> file_name("resnet20 (plain)", 3)
    'resnet20-plain-seed3.safetensors'
    """
    plain = re.sub(r"[^\w.+]+", "-", name).strip("-.")
    return f"{plain or 'network'}-seed{seed}.safetensors"


def keep(learners: Sequence[Learner], folder: Path) -> tuple[Path, ...]:
    """Write the weights of each run that stayed finite; the files."""
    files = []
    make_folder(folder)
    for learner in learners:
        if learner.left is not None:
            continue
        path = folder / file_name(learner.trainee.name, learner.seed)
        weights = from_state_dict(learner.module.state_dict())
        with whole(path) as aside:
            write_safetensors(aside, learner.trainee.graph, weights)
        files.append(path)
    return tuple(files)
