"""Boxes and scores of a detector's anchors: what is on a picture, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from resgen.artifact.answers.base import Found, Question
from resgen.artifact.boxes import BOXES, CLASSES, SCORES
from resgen.pictures.boxes import Detections, detections
from resgen.pictures.draw import boxed, captioned, colours
from resgen.runtime.base import Array

if TYPE_CHECKING:
    from PIL.Image import Image

#: Boxes that are told unless it is said.
TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Thing(Found):
    """Something of a class with its score, within x1 y1 x2 y2.

    These are in the picture's own pixels.
    """

    score: float
    box: tuple[float, float, float, float]

    @property
    def part(self) -> float:
        return self.score

    def line(self) -> str:
        left, top, right, bottom = (round(n) for n in self.box)
        # Not `super()`: a dataclass with slots is another class than that of its body.
        return f"{Found.line(self)}  {left},{top} to {right},{bottom}"


@dataclass(frozen=True, slots=True)
class Boxes:
    """What was found, the surest first."""

    KEY: ClassVar[str] = "boxes"
    found: tuple[Thing, ...]

    @classmethod
    def read(cls, outputs: Mapping[str, Array], asked: Question) -> Boxes:
        """The best boxes, in the picture's own pixels and clipped to it.

        What lies beside the picture, on the frame that the input has around it, is left
        out.
        """
        about = asked.boxes or {}
        boxes, scores = outputs[BOXES], outputs[SCORES]
        if about["suppressed"]:
            some = scores > 0
            kinds = outputs[CLASSES][some].astype(np.int64)
            best = Detections(boxes[some], scores[some], kinds)
        else:
            rows = [prod(x["map"]) * len(x["anchors"]) for x in about["levels"]]
            best = detections(boxes, scores, rows, **about.get("choice", {}))
        height, width = about["input"]
        begin, end = np.array(asked.seen).reshape(2, 2)
        shares = best.boxes.reshape(-1, 2, 2) / (width, height)
        own = (begin + shares * (end - begin)).clip(0, 1) * asked.size
        there = (own[:, 0] < own[:, 1]).all(1)
        things = [
            Thing(index, asked.label(index, about["classes"]), score, tuple(box))
            for index, score, box in zip(
                best.classes[there].tolist(),
                best.scores[there].tolist(),
                own[there].reshape(-1, 4).tolist(),
                strict=True,
            )
        ]
        return cls(tuple(things[: asked.top or TOP]))

    def drawn(self, picture: Image) -> Image:
        """The picture with the boxes on it, and which colour is which class."""
        shown = colours(each.index for each in self.found)
        # The surest lie on top.
        on_it = [(each.box, shown[each.index]) for each in reversed(self.found)]
        legend = {each.written: shown[each.index] for each in self.found}
        return captioned(boxed(picture, on_it), legend.items())


def gives_boxes(outputs: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether outputs of these shapes are boxes, and scores of as many.

    All boxes have a score for each class, those that are left the number of theirs.
    """
    boxes, scores = outputs.get(BOXES, ()), outputs.get(SCORES, ())
    alone = len(scores) == 1 and outputs.get(CLASSES) == scores
    return (len(scores) == 2 or alone) and boxes == (scores[0], 4)
