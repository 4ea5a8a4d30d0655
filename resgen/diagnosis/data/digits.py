"""scikit-learn's digits: 1797 handwritten ones of 8 x 8, there without a download."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np

from resgen.diagnosis.data.dataset import Examples
from resgen.diagnosis.data.outputs import Scores
from resgen.diagnosis.data.pictures import require_pictures, resizing
from resgen.errors import MissingComponent, ResgenError
from resgen.graph.ir import Graph
from resgen.pictures.preprocess import prepare
from resgen.spec.model import Preprocess

#: What ``--data`` calls them.
NAME = "digits"
CLASSES = 10


def digits(graph: Graph, preprocess: Preprocess, scores: Scores) -> Examples:
    """The digits as inputs of the network.

    They are brought straight to the input's size: a crop that suits photographs would
    leave a stroke of a digit. Grey is repeated for the colours.
    """
    require_pictures(graph, preprocess, "digits")
    if scores.classes < CLASSES:
        raise ResgenError(
            f'the digits have {CLASSES} classes, and "{scores.name}" of {graph.name} '
            f"tells {scores.classes}",
            hint="--data FOLDER gives it pictures of its own, a sub-folder a class",
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise MissingComponent(
            "scikit-learn",
            "there are no digits to learn from (--data gives other data)",
            'pip install "resgen[diagnose]"',
        ) from missing
    found = load_digits()
    # The 17 levels of grey become those of a picture.
    pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)
    whole = replace(preprocess, resize=None, crop=None)
    shape = graph.inputs[0].type.shape
    notes = [*resizing({(8, 8)}, whole, shape)]
    if whole != preprocess:
        notes.append("the resize and crop of preprocess were left out for the digits")
    return Examples(
        take=lambda i: prepare(pixels[i], whole, shape),
        labels=found.target.astype(np.int64),
        origin="scikit-learn's digits",
        digest=sha256(pixels.tobytes() + repr((whole, shape)).encode()).hexdigest(),
        notes=tuple(notes),
    )
