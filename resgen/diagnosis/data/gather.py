"""What ``--data`` names, as examples for one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from resgen.diagnosis.data.arrays import arrays
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.pictures import NAME, digits, folder
from resgen.graph.ir import Graph
from resgen.graph.outputs import scores
from resgen.spec.model import Preprocess


def gather(
    source: str | None,
    graph: Graph,
    preprocess: Preprocess,
    *,
    output: str | None = None,
    seed: int = 0,
) -> Dataset:
    """Data of a folder, of an ``.npz`` file, or (``digits``, None) of scikit-learn.

    ``output`` names the one that is to tell the classes, where the network has several;
    ``seed`` decides what is held back and the order of batches. What does not fit the
    network, or cannot be read, is a :class:`~resgen.errors.ResgenError`; without
    scikit-learn its digits are a :class:`~resgen.errors.MissingComponent`.
    """
    told = scores(graph, output)
    if source is None or source == NAME:
        examples = digits(graph, preprocess, told)
    elif Path(source).suffix.lower() == ".npz":
        examples = arrays(Path(source), graph, preprocess, told)
    else:
        examples = folder(Path(source), graph, preprocess, told)
    present = len(np.unique(examples.labels))
    if present < told.classes:
        note = f"the network tells {told.classes} classes, of which {present} occur"
        examples = replace(examples, notes=(*examples.notes, note))
    return Dataset(examples, graph.inputs[0].type.shape, told, seed=seed)
