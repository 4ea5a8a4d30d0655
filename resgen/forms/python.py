"""The network as one readable PyTorch file, which needs nothing of resgen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import UsageError
from resgen.options.group import Group
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Ready
    from resgen.graph.ir import Graph

FILE: Final = "model.py"


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """It has none of its own."""


def prepare(options: Options, job: Job) -> Finish:
    """A precision below float32 is refused: the file states the network itself."""
    if {*job.precisions} - {"fp32"}:
        raise UsageError(
            f"{FILE} is the network in float32, and not in {job.precisions[-1]}"
        )
    return lambda ready: make(ready, job, proven=True)


def again(options: Options, made: Mapping[str, Any], ready: Ready, job: Job) -> Finish:
    """The same file; ``verify`` runs it."""
    return lambda ready: make(ready, job, proven=False)


def make(
    ready: Ready, job: Job, *, proven: bool
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the file beside the weights; its hash, and what the manifest records."""
    from resgen.files.hashed import HashedFile
    from resgen.lower.source.write import class_name, to_python

    text = to_python(_graph(ready))
    if proven:
        job.progress.say("python", _prove(ready, text))
    with HashedFile(ready.folder / FILE) as file:
        file.write(text.encode())
        return {FILE: file.sha256}, {"class": class_name(text)}


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The file's classes against the module of the network, bit for bit.

    The text that is run is the one that this resgen writes, never one that it finds.
    """
    from resgen.lower.source.write import to_python

    text = to_python(_graph(ready))
    if (ready.folder / FILE).read_bytes() != text.encode():
        progress.say("python", f"not run: another version of resgen wrote {FILE}")
        return {"python": None}
    said = _prove(ready, text)
    progress.say("python", said)
    return {"python": said}


# --- parts ----------------------------------------------------------------------------


def _graph(ready: Ready) -> Graph:
    """The network as its weights have it: with what only training has, or without."""
    if ready.graph is None:
        raise TypeError(f"{FILE} is made of a network")
    trained = all(p.name in ready.weights for p in ready.graph.train_only)
    return ready.graph if trained else ready.graph.inference


def _prove(ready: Ready, text: str) -> str:
    """Run the file, load the weights, and hold its outputs against the module's."""
    from resgen.lower.torch import to_torch
    from resgen.proof.source import agree, loaded

    graph = _graph(ready)
    names = (graph.training or graph).parameter
    weights = {name: ready.weights[name] for name in names}
    return agree(loaded(text, weights), to_torch(graph, weights), graph)


FORM = Form("one readable PyTorch file", Options, prepare, verify, again, of_file=False)
