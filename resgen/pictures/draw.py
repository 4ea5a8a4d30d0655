"""Pictures with something laid over them, and what the colours mean below them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Colour: TypeAlias = tuple[int, int, int]

#: Okabe and Ito (2008), "Color Universal Design", in the order of Wong (2011), Nature
#: Methods 8, 441: told apart by colour-blind readers.
_BASE: Final = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115),
    (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
#: The same, and lighter and darker, since lightness is seen by all readers.
PALETTE: Final = tuple(
    dict.fromkeys(
        (round(r * by + to), round(g * by + to), round(b * by + to))
        for by, to in ((1.0, 0.0), (0.5, 127.0), (0.5, 0.0))
        for r, g, b in _BASE
    )
)
#: How much of a picture is seen through what is laid over it.
THROUGH: Final = 0.45
_SMALLEST, _LINES = 12, 36  # pixels of a letter; lines that a picture's height is


def colours(classes: Iterable[int]) -> dict[int, Colour]:
    """A colour for each class: its own, or the next that none before it has.

    A class so has the same in most pictures. Of more classes than the palette has
    colours, some share theirs.
    """
    found: dict[int, Colour] = {}
    for number in classes:
        taken = set(found.values()) if len(found) < len(PALETTE) else set()
        turned = (PALETTE[(number + k) % len(PALETTE)] for k in range(len(PALETTE)))
        found[number] = next(colour for colour in turned if colour not in taken)
    return found


def overlaid(
    picture: Image, mask: NDArray[np.int32], shown: Mapping[int, Colour]
) -> Image:
    """The picture under the colours of the classes that are shown.

    ``mask`` is (height, width) of the picture, -1 where there is no class.
    """
    from PIL import Image as pillow

    below = picture.convert("RGB")
    count = int(mask.max()) + 2  # the last is what -1 finds
    painted, colour = np.zeros(count, np.bool_), np.zeros((count, 3), np.uint8)
    for number, its in shown.items():
        painted[number], colour[number] = True, its
    # Where nothing is shown, the picture lies over itself.
    above = np.where(painted[mask][..., None], colour[mask], np.asarray(below))
    return pillow.blend(below, pillow.fromarray(above), 1 - THROUGH)


def boxed(picture: Image, boxes: Iterable[tuple[tuple[float, ...], Colour]]) -> Image:
    """The picture with a frame for each box, x1 y1 x2 y2 in its pixels; later on top.

    A frame is white between two lines of its colour, so that it is seen on any ground.
    """
    from PIL import ImageDraw

    made = picture.convert("RGB")
    pen = ImageDraw.Draw(made)
    thick = max(1, min(picture.size) // 300)
    for box, colour in boxes:
        for inset, fill in enumerate((colour, (255, 255, 255), colour)):
            left, top, right, bottom = (round(n) for n in box)
            by = inset * thick
            corners = (left + by, top + by, right - 1 - by, bottom - 1 - by)
            if corners[0] <= corners[2] and corners[1] <= corners[3]:
                pen.rectangle(corners, outline=fill, width=thick)
    return made


def captioned(picture: Image, entries: Iterable[tuple[str, Colour | None]]) -> Image:
    """The picture with lines of text below it, each behind its colour if it has one.

    The text is as large as suits the picture, and the picture gets a white margin where
    a text is wider.
    """
    from PIL import Image as pillow
    from PIL import ImageDraw, ImageFont

    texts = list(entries)
    letter = max(_SMALLEST, min(picture.size) // _LINES)
    font = ImageFont.load_default(letter)
    line, indent = round(1.6 * letter), round(1.4 * letter)
    widths = [indent + round(font.getlength(text)) + letter for text, _ in texts]
    width = max(picture.width, letter + max(widths, default=0))
    columns = max((width - letter) // max(widths, default=width), 1)
    rows = -(-len(texts) // columns)
    size = (width, picture.height + rows * line + letter // 2)
    made = pillow.new("RGB", size, "white")
    made.paste(picture.convert("RGB"))
    pen = ImageDraw.Draw(made)
    for number, (text, colour) in enumerate(texts):
        left = letter + number % columns * max(widths)
        top = picture.height + letter // 2 + number // columns * line
        if colour is not None:
            box = (left, top, left + letter, top + letter)
            pen.rectangle(box, fill=colour, outline="black")
        begin = left + (0 if colour is None else indent)
        pen.text((begin, top), text, fill="black", font=font)
    return made
