"""How weights expect pictures, as timm, Hugging Face and torchvision write it down."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.files.ordinary import read_bytes, unreadable, why_no_json
from resgen.pictures.words import takes_pictures, told
from resgen.spec.model import INTERPOLATIONS, Preprocess, Spec
from resgen.words.numbers import shape as sizes

logger = logging.getLogger(__name__)

#: Files that lie beside weights.
BESIDE: Final = ("config.json", "preprocessor_config.json")
#: Pillow's filters by the numbers that Hugging Face writes.
_FILTERS: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def as_expected(
    spec: Spec,
    file: Path | str | None,
    weights: Path | str | None,
    own: Any = None,
) -> Spec:
    """The spec with the preprocessing of ``file``, or of what comes with the weights.

    That is a file beside ``weights``, or the configuration that a module has as its
    ``own`` (timm's ``pretrained_cfg``). What a spec states itself stays against these;
    that they differ is a warning.
    """
    if file is not None:
        made = read_preprocess(Path(file), spec.preprocess, spec.input)
        return replace(spec, preprocess=made)
    beside = _beside(Path(weights)) if isinstance(weights, Path | str) else None
    said, whose = own, "the module's pretrained_cfg"
    if beside is not None:
        said, whose = _read(beside), f"{beside} beside the weights"
    if _statement(said) is None or not takes_pictures(spec.preprocess, spec.input):
        return spec
    try:
        made = stated(said, whose, spec.preprocess, spec.input)
    except ResgenError as error:
        logger.warning("%s, so pictures are prepared as the spec says", error.message)
        return spec
    if made == spec.preprocess:
        return spec
    stands = spec.members.get("preprocess")
    if stands is None or stands.value is None:
        logger.warning("pictures are prepared as %s says", whose)
        return replace(spec, preprocess=made)
    logger.warning(
        "the spec prepares pictures otherwise than %s says: %s",
        whose,
        told(made, spec.input),
    )
    return spec


def members(spec: Spec, known: Spec) -> dict[str, Any]:
    """What a spec has to state, that its pictures are prepared as another one's.

    Nothing if the other is the spec itself; where both prepare them alike, the mean all
    the same: then it is known, and not assumed.
    """
    if known is spec:
        return {}
    usual, wanted = asdict(spec.preprocess), asdict(known.preprocess)
    said = {key: value for key, value in wanted.items() if value != usual[key]}
    said = said or {"mean": wanted["mean"]}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in said.items()}
    return {"preprocess": plain}


def _beside(weights: Path) -> Path | None:
    """The file beside a checkpoint that says how its pictures are prepared, if any."""
    for name in BESIDE:
        path = weights.parent / name
        with suppress(ResgenError):  # whatever else is called so is none of ours
            if path.is_file() and _statement(_read(path)) is not None:
                return path
    return None


def read_preprocess(
    path: Path, usual: Preprocess, shape: tuple[int, ...]
) -> Preprocess:
    """What a file says of an input of this shape, as :func:`stated`."""
    return stated(_read(path), str(path), usual, shape)


def stated(
    said: Any, whose: str, usual: Preprocess, shape: tuple[int, ...]
) -> Preprocess:
    """What a configuration says of an input of this shape; ``usual`` in what it lacks.

    The side that a picture is resized to is in proportion to the input, so that as
    much of the picture is seen as at the size of the configuration, which is ``whose``
    in what is wrong with it.
    """
    said = _statement(said)
    if said is None:
        raise ResgenError(
            f"{whose} says nothing of pictures",
            hint="wanted is timm's config.json, or JSON with mean, std, crop_pct and "
            "interpolation",
        )
    if not takes_pictures(usual, shape):
        raise ResgenError(
            f"{whose} is about pictures, and an input of {sizes(shape)} is none"
        )
    try:
        return replace(usual, **_fields(said, usual, shape))
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise ResgenError(f"{whose}: {error}") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ResgenError(f"{path} is not JSON: {why_no_json(error)}") from error


def _statement(value: Any) -> Mapping[str, Any] | None:
    """The part of a file that is about pictures."""
    if not isinstance(value, Mapping):
        return None
    inner = value.get("pretrained_cfg")
    said: Mapping[str, Any] = inner if isinstance(inner, Mapping) else value
    known = {"mean", "std", "image_mean", "image_std", "crop_pct", "interpolation"}
    return said if known & said.keys() else None


def _fields(
    said: Mapping[str, Any], usual: Preprocess, shape: tuple[int, ...]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in ("mean", "std"):
        values = said.get(name, said.get(f"image_{name}"))
        if values is not None and said.get("do_normalize", True):
            made[name] = _numbers(name, values, shape[0])
    if made.get("std") and 0 in made["std"]:
        raise ValueError("std divides, so none of it may be 0")
    if said.get("do_normalize") is False:
        made |= {"mean": (0.0,) * shape[0], "std": (1.0,) * shape[0]}
    if "rescale_factor" in said:
        made["scale"] = float(said["rescale_factor"])
    how = said.get("interpolation", said.get("resample"))
    if how is not None:
        name = _FILTERS[how] if type(how) is int and 0 <= how < 6 else str(how).lower()
        name = name.removeprefix("interpolationmode.")
        if name not in INTERPOLATIONS:
            raise ValueError(
                f'interpolation "{name}" is none of {", ".join(INTERPOLATIONS)}'
            )
        made["interpolation"] = name
    return made | _sizes(said, shape)


def _sizes(said: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """The shorter side that a picture is resized to, of which the input is cut out."""
    side = min(shape[1:])
    if said.get("crop_mode", "center") not in ("center", "squash"):
        raise ValueError(f'crop_mode "{said["crop_mode"]}" is not known here')
    share = said.get("crop_pct")
    if share is None and (resize := _side(said, "resize_size", "size")):
        crop = _side(said, "crop_size") or resize
        share = crop / resize
    if share is None:
        return {}
    share = float(share)
    if not 0 < share <= 1:
        raise ValueError(f"crop_pct is {share:g}, and not between 0 and 1")
    squashed = said.get("crop_mode") == "squash"
    if squashed or said.get("do_center_crop") is False:
        if share != 1:
            raise ValueError('crop_mode "squash" is only known with a crop_pct of 1')
        return {"resize": None, "crop": None}
    return {"resize": int(side / share), "crop": None}


def _side(said: Mapping[str, Any], *names: str) -> float | None:
    """The shorter side that one of the names gives, in any of the ways of writing."""
    for name in names:
        value = said.get(name)
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list) and value:
            value = min(value)
        if isinstance(value, int | float) and value > 0:
            return float(value)
    return None


def _numbers(name: str, values: Any, channels: int) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) != channels:
        raise ValueError(f"{name} is no list of {channels} numbers, one a channel")
    return tuple(map(float, values))
