"""A vector of scores: the likeliest classes of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from resgen.artifact.answers.base import Found, Question
from resgen.pictures.draw import captioned
from resgen.runtime.base import Array

if TYPE_CHECKING:
    from PIL.Image import Image

#: Classes that are told unless it is said.
TOP: Final = 5


@dataclass(frozen=True, slots=True)
class Class(Found):
    """A class with the softmax of its score."""

    probability: float

    @property
    def part(self) -> float:
        return self.probability


@dataclass(frozen=True, slots=True)
class Classes:
    """The best classes, the likeliest first."""

    KEY: ClassVar[str] = "classes"
    found: tuple[Class, ...]

    @classmethod
    def read(cls, outputs: Mapping[str, Array], asked: Question) -> Classes:
        """The softmax of a vector; of equals the first comes first."""
        scores = outputs[asked.output]
        exponentials = np.exp(scores - scores.max())
        shares = exponentials / exponentials.sum()
        order = np.argsort(-shares, kind="stable")[: asked.top or TOP].tolist()
        classes = len(scores)
        return cls(
            tuple(Class(i, asked.label(i, classes), float(shares[i])) for i in order)
        )

    def drawn(self, picture: Image) -> Image:
        """The picture with its likeliest class below."""
        return captioned(picture, [(self.found[0].caption, None)])
