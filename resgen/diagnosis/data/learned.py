"""What ``--data`` names for a network that has learned: it can tell classes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from resgen.calibrate.samples import gather
from resgen.diagnosis.data.dataset import Dataset, Examples, Images, Labels
from resgen.diagnosis.data.pictures import NAME, digits
from resgen.graph.ir import Graph
from resgen.graph.outputs import scores
from resgen.spec.model import Spec

#: Inputs that run at once.
BATCH: Final = 32


class Known(NamedTuple):
    """Examples, and whether their classes are the data's or those that were told."""

    dataset: Dataset
    labelled: bool


def known(
    source: str,
    graph: Graph,
    spec: Spec,
    tell: Callable[[Iterator[Images], str], Labels],
    *,
    seed: int = 0,
) -> Known:
    """A folder, an ``.npz`` file or ``digits``, as a calibration reads them.

    Where there are no classes, they are what ``tell`` gives for batches and the name of
    an output: what the network itself says. What does not fit the network, or cannot be
    read, is a :class:`~resgen.errors.ResgenError`.
    """
    output = scores(graph)
    shape = graph.inputs[0].type.shape
    if source == NAME:
        return Known(
            Dataset(digits(graph, spec.preprocess, output), shape, output, seed=seed),
            True,
        )
    samples = gather(Path(source), graph, spec.preprocess, labels=spec.labels)
    labelled = samples.targets is not None
    labels = (
        samples.targets
        if samples.targets is not None
        else tell(samples.batches(BATCH), output.name)
    ).astype("int64")
    about = (samples.origin, spec.preprocess, shape)
    ends = [samples.take(i).tobytes() for i in (0, samples.count - 1)]
    examples = Examples(
        take=samples.take,
        labels=labels,
        origin=samples.origin,
        digest=sha256(
            b"".join([repr(about).encode(), labels.tobytes(), *ends])
        ).hexdigest(),
        notes=samples.notes,
    )
    return Known(Dataset(examples, shape, output, seed=seed), labelled)
