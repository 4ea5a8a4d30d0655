"""What a network says of one picture, and what each kind of answer has to know."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from resgen.pictures.preprocess import Box
from resgen.runtime.base import Array
from resgen.words.numbers import share
from resgen.words.terminal import fitted, printable

if TYPE_CHECKING:
    from PIL.Image import Image

#: Letters of a label that are drawn; a picture is widened for them.
LETTERS: Final = 60
#: Columns of a bar that stands for 100 %.
BAR: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the outputs for one picture.

    ``boxes`` is what is told of a detector (:func:`resgen.artifact.boxes.described`),
    ``output`` the one that is read, and ``labels`` are the names of its classes.
    ``size`` is (width, height) of the picture, ``seen`` the part of it that the input
    shows (:func:`resgen.pictures.preprocess.seen`). ``top`` is how much is told, or
    None for as much as suits the kind.
    """

    boxes: Mapping[str, Any] | None
    output: str
    labels: tuple[str, ...] | None
    size: tuple[int, int]
    seen: Box
    top: int | None

    def label(self, index: int, classes: int) -> str | None:
        """A class's name, if the labels are of so many classes."""
        if self.labels is None or len(self.labels) != classes:
            return None
        return self.labels[index]


@dataclass(frozen=True, slots=True)
class Found:
    """Something of a class, by its index, and its label if the spec has one.

    The fields are what ``--json`` tells of it.
    """

    index: int
    label: str | None

    @property
    def name(self) -> str:
        """The class as a person reads it."""
        return f"class {self.index}" if self.label is None else printable(self.label)

    @property
    def written(self) -> str:
        """The class in the letters of Pillow's own font, which are those of ASCII."""
        apart = unicodedata.normalize("NFKD", self.name)  # accents by themselves
        plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
        return fitted(plain, LETTERS) if plain.isascii() else f"class {self.index}"

    @property
    def part(self) -> float:
        """How much it is, of 1."""
        raise NotImplementedError

    @property
    def caption(self) -> str:
        """What is written below a picture."""
        return f"{self.written}, {share(self.part, 1)}"

    def line(self) -> str:
        """What a terminal shows."""
        bar = "#" * round(BAR * self.part)
        return f"  {share(self.part, 1):>7}  {bar:<{BAR}}  {self.name}"


class Answer(Protocol):
    """What was read of the outputs for one picture; ``KEY`` is its name in JSON."""

    KEY: ClassVar[str]

    @property
    def found(self) -> Sequence[Found]:
        """What is told, the most first."""

    @classmethod
    def read(cls, outputs: Mapping[str, Array], asked: Question) -> Answer:
        """The answer in these outputs, float64, without the batch."""

    def drawn(self, picture: Image) -> Image:
        """The picture, upright and in its own size, with the answer on it."""
