"""From a picture to the input of a network, as its spec says.

The steps and their rounding are torchvision's (Resize, CenterCrop, ToTensor, Normalize
on Pillow images), so that numbers published for a network can be reproduced.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resgen.errors import MissingComponent, ResgenError
from resgen.files.ordinary import check_file
from resgen.pictures.words import takes_pictures
from resgen.spec.model import Preprocess
from resgen.words.numbers import shape as said

if TYPE_CHECKING:
    from PIL.Image import Image

#: Left, top, right and bottom.
Box: TypeAlias = tuple[float, float, float, float]


def read(path: Path) -> Image:
    """The picture in a file; anything else is a :class:`ResgenError`."""
    image = _pillow()
    if not path.is_dir():
        check_file(path)
    try:
        with image.open(path) as opened:
            return _upright(opened)
    except IsADirectoryError as error:
        message = f"{path} is a folder, not a picture"
        raise ResgenError(message, hint="name the pictures in it") from error
    except image.DecompressionBombError as error:
        raise ResgenError(f"{path} is too large a picture: {error}") from error
    # Pillow's readers of broken files raise what their parsing happens to raise.
    except Exception as error:
        raise ResgenError(
            f"{path} cannot be read as a picture: {error}",
            hint="PNG, JPEG, WebP, TIFF, BMP and GIF are read",
        ) from error


def prepare(
    image: Image | NDArray[np.uint8], preprocess: Preprocess, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """One input: float32 of ``shape`` (channels, height, width).

    ``image`` is a Pillow picture or uint8 (height, width[, channels]). Its orientation
    is put right; transparency is dropped, as torchvision's loader drops it.
    """
    if not takes_pictures(preprocess, shape):
        raise ResgenError(
            f"an input of {said(shape)} is no {preprocess.color} picture",
            hint='"color" of the spec\'s "preprocess" has to fit its "input"',
        )
    pillow = _pillow()
    if isinstance(image, np.ndarray):
        if not image.size:
            raise ResgenError(f"a picture of {image.shape} has no pixels")
        decoded: Image = pillow.fromarray(image)
    else:
        decoded = image
    picture = _coloured(_upright(decoded), preprocess.color)
    resized, box = _cut(picture.size, preprocess, shape)
    picture = _resized(picture, resized, preprocess)
    if box != (0, 0, *resized):
        picture = picture.crop(box)  # on black where the picture is too small
    height, width = shape[1:]
    picture = _resized(picture, (width, height), preprocess)
    pixels = np.asarray(picture, np.float32).reshape(height, width, shape[0])
    if preprocess.color == "bgr":
        pixels = pixels[..., ::-1]
    mean, std = (np.array(v, np.float32) for v in (preprocess.mean, preprocess.std))
    values = (pixels * np.float32(preprocess.scale) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def seen(size: tuple[int, int], preprocess: Preprocess, shape: tuple[int, ...]) -> Box:
    """What an input of ``shape`` shows of an upright picture of (width, height).

    Left, top, right and bottom are shares of the picture's width and height, below 0
    and above 1 where the input shows a frame around it. That inverts :func:`prepare`: a
    place at the share s of the input's width is at ``left + s * (right - left)``.
    """
    (width, height), (left, top, right, bottom) = _cut(size, preprocess, shape)
    return left / width, top / height, right / width, bottom / height


def _pillow() -> Any:
    """Pillow's ``Image`` module."""
    try:
        from PIL import Image
    except ModuleNotFoundError as missing:
        raise MissingComponent(
            "Pillow", "pictures cannot be read", 'pip install "resgen[images]"'
        ) from missing
    return Image


def _upright(image: Image) -> Image:
    """The picture as its camera's orientation says."""
    from PIL import ImageOps

    image.load()  # what is damaged in the picture itself is told by the caller
    try:
        turned: Image = ImageOps.exif_transpose(image)
    except Exception:  # a damaged block of Exif says nothing of an orientation
        return image.copy()
    return turned


def _coloured(image: Image, color: str) -> Image:
    """The picture in eight bits of grey or of red, green and blue."""
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits at 255.
        deep = np.asarray(image).astype(np.int64)
        image = _pillow().fromarray((deep.clip(0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # or Pillow warns
    mode = "L" if color == "gray" else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _cut(
    size: tuple[int, int], preprocess: Preprocess, shape: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The size that a picture is brought to, and the box that is cut out of it."""
    height, width = shape[1:]
    resized = wanted = size
    if preprocess.resize is not None:
        resized, wanted = _shorter(size, preprocess.resize), (width, height)
    if preprocess.crop is not None:
        wanted = (preprocess.crop, preprocess.crop)
    # Halves go to the even number, and a smaller picture moves up and left.
    left, top = (_middle(have, n) for have, n in zip(resized, wanted, strict=True))
    return resized, (left, top, left + wanted[0], top + wanted[1])


def _shorter(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size at which the shorter side has this length; the longer rounds down."""
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _resized(image: Image, size: tuple[int, int], preprocess: Preprocess) -> Image:
    if image.size == size:
        return image
    pillow = _pillow()
    method = pillow.Resampling[preprocess.interpolation.upper()]
    if preprocess.antialias or preprocess.interpolation == "nearest":
        return image.resize(size, method)
    # Pillow's resize always smooths what it shrinks; an affine map only samples.
    across, down = image.width / size[0], image.height / size[1]
    matrix = (across, 0.0, 0.0, 0.0, down, 0.0)
    return image.transform(size, pillow.Transform.AFFINE, matrix, method)


def _middle(have: int, want: int) -> int:
    return round((have - want) / 2) if have >= want else -((want - have) // 2)
