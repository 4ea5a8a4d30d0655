"""``resgen.shrink``: a smaller network, of the channels that are worth most."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.api.import_ import from_torch
from resgen.api.pruned import require_parts
from resgen.api.specs import SPEC, folder_name, opened, read_spec
from resgen.api.taken import Job
from resgen.api.tuned import data_line, device_of, right
from resgen.artifact.described import DescribedFolder
from resgen.artifact.manifest import FRESH
from resgen.artifact.shrunk import (
    RECORD,
    Record,
    Smaller,
    write_shrunk,
)
from resgen.artifact.source import Source, from_spec
from resgen.diagnosis.data.learned import Known, known
from resgen.document.files import plain
from resgen.errors import ResgenError, UsageError
from resgen.expansion.network import expand
from resgen.files.place import require_place
from resgen.graph.analysis import Analysis
from resgen.graph.cost import analyse
from resgen.graph.ir import Graph
from resgen.options.kinds import argument
from resgen.recovery.imported import imported
from resgen.reports.shrunk import PAGE, render
from resgen.runtime.torch import load_torch
from resgen.shrinking.cut import Size, cut
from resgen.shrinking.labels import labelled
from resgen.shrinking.seen import told
from resgen.spec.model import Spec
from resgen.weights.evaluate import Weights
from resgen.words.numbers import shape
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown, style

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class SmallerNetwork(Shown):
    """What is left of a network, and which of its channels that is.

    ``folder`` is where it was written, if it was; ``record`` tells what went.
    """

    folder: DescribedFolder[Record] | None
    record: Smaller
    spec: Spec
    graph: Graph
    weights: Weights
    analysis: Analysis
    seconds: float

    @property
    def sure(self) -> bool:
        """Whether its budgets are promised to hold: counts always are."""
        latency = self.record.latency
        return latency is None or not latency.doubts

    def carried(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """What is left of tensors that belong to parameters of the whole network.

        ``tensors`` are arrays or torch tensors of the parameters' shapes by the whole's
        names: moving averages, or an optimiser's momentum. They come back by the names
        that the parameters have now; those that have none are left out.

        >>> import resgen, torch
        >>> whole = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 32, 3), torch.nn.Conv2d(32, 4, 3))
        >>> before = torch.optim.SGD(whole.parameters(), 0.1, momentum=0.9)
        >>> whole(torch.ones(1, 3, 8, 8)).sum().backward()
        >>> before.step()
        >>> small = resgen.shrink(whole, input=(3, 8, 8), macs="0.5x")
        >>> model = resgen.to_torch(small.graph, small.weights)
        >>> after = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        >>> state = {name: before.state[p] for name, p in whole.named_parameters()}
        >>> held = {name: each["momentum_buffer"] for name, each in state.items()}
        >>> held = small.carried(held)
        >>> for name, parameter in model.named_parameters():
        ...     after.state[parameter]["momentum_buffer"] = held[name].clone()
        >>> {theirs: tuple(held[ours].shape) for ours, theirs in
        ...     small.record.names.items()}["1.weight"]
        (4, 16, 3, 3)
        """
        made = {}
        for ours, theirs in self.record.names.items():
            if theirs not in tensors:
                continue
            tensor = tensors[theirs]
            for axis, stays in enumerate(self.record.kept.get(ours, ())):
                if stays is None:
                    continue
                if len(tensor.shape) <= axis or tensor.shape[axis] <= stays[-1]:
                    sizes = shape(tensor.shape)
                    raise UsageError(f"tensors: {theirs} has other sizes than {sizes}")
                tensor = tensor[(slice(None),) * axis + (list(stays),)]
            made[ours] = tensor
        return made

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen shrink --json`` prints: shrink.json, and where it lies."""
        folder = self.folder
        record = plain(self.record) if folder is None else RECORD.to_json(folder.record)
        return {
            "folder": None if folder is None else str(folder.folder),
            "seconds": self.seconds,
            **record,
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        yield from self.analysis.lines(width)
        if not self.sure and self.record.latency is not None:
            for doubt in self.record.latency.doubts:
                yield f"not promised: {doubt}"
        if self.folder is not None:
            folder = self.folder.folder
            yield f"{style(f'{folder}/', bold=True)}  in {self.seconds:.1f} s"


def shrink(
    source: Spec | str | Path | Mapping[str, Any] | Graph | torch.nn.Module,
    out: str | Path | None = None,
    *,
    input: torch.Tensor | Sequence[int] | None = None,  # noqa: A002 (the usual word)
    state_dict: Mapping[str, Any] | None = None,
    progress: Told = None,
    **options: Any,
) -> SmallerNetwork:
    """Take the channels away that are worth least, until a network is small enough.

    Channels that are added, gated or read together go together: the groups of Fang et
    al. 2023, found on the graph. What is left is a spec, with its numbers; it is proven
    to compute what the whole does without the channels that went. ``source`` is a spec
    or a folder of an import, and the numbers are those of ``weights`` or of a
    ``state_dict``; or a graph; or, between two steps of a training, a module with its
    own numbers and an ``input`` of it (a tensor, or its sizes without the batch). Of
    graphs and modules nothing is written unless ``out`` names a folder. ``options`` are
    those of :class:`~resgen.api.asked.shrink.Shrinking`, which are the command's;
    ``macs`` and ``params`` are shares ("0.5x", 0.5) or numbers ("2G"). ``progress`` is
    called with a line of text as a step is done (print will do).

    Raises :class:`~resgen.errors.ResgenError` where the network cannot be made as
    small; then nothing is left.
    """
    heard = listening(progress)
    asked = Shrinking.of({**options, "out": out})
    given: Any = source
    own: Mapping[str, Any] | None = None
    module = hasattr(given, "named_parameters")
    live = module or isinstance(given, Graph)
    if live and asked.report and asked.out is None:
        raise asked.refused("{report} goes into a folder", hint="name one with {out}")
    if module:
        if input is None:
            raise UsageError("input: a module is read on one, or on its sizes")
        if state_dict is not None:
            raise UsageError("state_dict: a module has numbers of its own")
        own = given.state_dict()
        spec, state_dict = from_torch(given, input, verify=asked.verify)
        graph = expand(spec)
    elif input is not None:
        raise UsageError("input: only a module is read on one")
    elif live:
        spec, graph = _spec_of(given), given
    else:
        given, asked = opened(argument("source", SPEC, given), asked, built=True)
        spec, graph = read_spec(given, asked)
    return run(
        spec, graph, asked, live=live, own=own, state_dict=state_dict, progress=heard
    )


def _spec_of(graph: Graph) -> Spec:
    """What would be written of a graph; pictures and labels are as usual."""
    found = labelled(graph.inference)
    zero = np.zeros((), np.float32)
    zeros = {p.name: np.broadcast_to(zero, p.shape) for p in graph.parameters}
    return imported(cut(found, zeros, np.empty(0, np.int64))).spec


def run(
    spec: Spec,
    graph: Graph,
    asked: Shrinking,
    *,
    live: bool = False,
    own: Mapping[str, Any] | None = None,
    state_dict: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> SmallerNetwork:
    """As :func:`shrink`, of a spec that was read.

    What is ``live`` is written only where a folder is named; ``own`` are the tensors of
    the module that it was read of.
    """
    begin = time.perf_counter()
    name = folder_name(asked.name or spec.name, "give it another with --name NAME")
    out = asked.out or Path("shrunk", name)
    written = asked.out is not None or not live
    if written:
        read = Path(spec.at.source.file)
        file = read if read.is_file() else None
        require_place(out, force=asked.force, source=file)
    given = from_spec(
        spec,
        graph=graph,
        weights=asked.weights,
        state_dict=state_dict,
        how=asked.loading,
        preprocess=asked.preprocess,
    )
    if given.origin == FRESH:
        progress.say("weights", "fresh ones, so what goes is by chance")
    if graph.training is not None:
        progress.say("graph", "what only training has (auxiliary heads) is left out")
    whole = graph.inference, given.weights
    require_parts(whole[0], asked)
    whereto = out.resolve()  # "." has no name
    beside = whereto.with_name(f"{whereto.name}-unfinished")
    if asked.resume and not beside.is_dir():
        raise ResgenError(
            f"there is no training to resume in {beside}",
            hint="name the folder that the interrupted one was to make, or train anew",
        )
    device = "cpu" if asked.finetune is None else device_of(asked)
    data = _data(asked, whole[0], given)
    if data is not None:
        progress.say("data", data_line(data))
    cost = analyse(whole[0])
    if not cost.macs:
        message = f"{spec.name} has no convolution and no linear map to cut"
        raise ResgenError(message)
    before = Size(cost.macs, cost.params, cost.peak_activation_bytes)
    seen = None if data is None else right(data, *whole)
    job = Job(given.spec, *whole, before, name, data, seen, device, progress)
    taken = [job.taken(asked.part(1, before), beside)]
    told = taken[0].told
    for number in range(2, asked.iterations + 1):
        progress.say("iteration", f"{number} of {asked.iterations}")
        after = asked.part(number, before)
        taken.append(job.taken(after, beside / str(number), taken[-1].made, told.names))
        told = taken[-1].told.since(told)
    first, made = taken[0], taken[-1].made
    losses: Sequence[tuple[float, ...]] = ()
    if asked.report and data is not None:
        losses = first.sensitivity(data, progress)
    told = replace(told, layers=tuple(first.layers(told, losses)))
    if own is not None:
        told = replace(told, names=_of_module(told.names, whole[0], own))
    page = None
    if asked.report:
        page = PAGE, render(made.spec.name, spec.name, told)
    folder = None
    if written:
        folder = write_shrunk(
            made, out, told, source=spec.name, page=page, force=asked.force
        )
    for one in reversed(taken):
        one.discard()
    return SmallerNetwork(
        folder,
        told if folder is None else folder.record,
        made.spec,
        made.graph,
        made.weights,
        analyse(made.graph),
        time.perf_counter() - begin,
    )


def _data(asked: Shrinking, graph: Graph, given: Source) -> Known | None:
    """What the network is to work on, if that is said."""
    if asked.data is None:
        return None
    load_torch("nothing can be known of the network on data")
    return known(
        asked.data,
        graph,
        given.spec,
        lambda inputs, output: told(graph, given.weights, inputs, output),
        seed=asked.seed,
    )


def _of_module(
    names: Mapping[str, str], graph: Graph, own: Mapping[str, Any]
) -> dict[str, str]:
    """Those of a module's tensors; what it computes of others (weight norm) is none."""
    return {
        ours: name
        for ours, name in names.items()
        if name in own and tuple(own[name].shape) == graph.parameter[name].shape
    }
