"""Options of what makes a folder of a network: ``build`` and ``export``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import PRECISION, SHAPE, Making, Reading, out, preprocess
from resgen.options.group import Group, option
from resgen.options.kinds import FLAG, Kind, choice, file_name, path, text, told, whole

#: Sizes are 32 bits wide in what reads ONNX files.
_LARGEST: Final = 2**31 - 1


def _size(value: Any) -> tuple[int, int]:
    given = value
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value.lower(), re.ASCII)
        value = found and (int(found[1]), int(found[2]))
    sound = isinstance(value, tuple | list) and len(value) == 2
    if not sound or not all(type(n) is int and 0 < n < 10**5 for n in value):
        raise ValueError(
            f"{told(given)} is not the size of a picture: height and width, as in "
            "480x640"
        )
    return value[0], value[1]


SIZE: Final = Kind("HxW", _size, _size, lambda size: f"{size[0]}x{size[1]}")


def _share(value: Any) -> float:
    said = str(value).strip()
    try:
        share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{told(value)} is no share, such as 1% or 0.01")
    return share


SHARE: Final = Kind("SHARE", _share, _share, repr)


@dataclass(frozen=True, kw_only=True)
class Writing(Making, Reading):
    """Where a network is written to, with what weights, and how its ONNX file is."""

    out: Path | None = out("The folder to make.", "build/NAME")
    seed: int = option("--seed", whole(0), "For fresh weights.", default=0)
    batch: int | None = option(
        "--batch",
        whole(1, _LARGEST),
        "Fix the batch size of the ONNX file.",
        shown="any",
    )
    dynamic: bool = option(
        "--dynamic", FLAG, "Leave height and width of the ONNX file open."
    )
    opset: int | None = option(
        "--opset",
        whole(),
        "Version of the ONNX operators.",
        shown="the lowest that will do",
    )
    verify: bool = option(
        "--no-verify",
        FLAG,
        "Skip the proof, for which torch and onnxruntime are needed.",
        default=True,
    )
    force: bool = option(
        "--force", FLAG, "Keep what others put into the folder, and go on."
    )


@dataclass(frozen=True, kw_only=True)
class Building(Writing):
    """What ``resgen build`` is asked."""

    keep_batchnorm: bool = option(
        "--keep-batchnorm",
        FLAG,
        "Do not fold batch norms, nor merge convolutions that are summed.",
    )
    images: Path | None = option(
        "--images",
        path("FOLDER"),
        "Verify on all pictures of a folder.",
        shown="photographs that scikit-image ships",
    )

    def refuse(self) -> None:
        """Pictures are for the proof."""
        super().refuse()
        if self.images is not None and not self.verify:
            raise self.refused("{images} are for the proof, which {verify} skips")


@dataclass(frozen=True, kw_only=True)
class Exporting(Writing):
    """What ``resgen export`` is asked, beside the form's own options."""

    precision: Any = option(
        "--precision",
        PRECISION,
        "Of every operator that the spec does not give another.",
        shown="a folder's own, else fp32",
    )
    for_: str | None = option(
        "--for",
        choice("onnxruntime", "tensorrt"),
        "The engine that quantisers are placed for.",
        shown="tensorrt for --to tensorrt, else onnxruntime",
    )
    keep: tuple[str, ...] = option(
        "--keep",
        text("PART"),
        'Keep a part out of int8 or fp8: "first", "last", or a path such as '
        '"layer1.0"; may be repeated.',
        repeated=True,
    )
    ends: str = option(
        "--ends",
        choice("float32", "low", "nchw", "int8", "uint8"),
        "Inputs and outputs: of which type, int8 and uint8 for litert in int8; for "
        "litert, nchw keeps PyTorch's order of axes, with one transpose at each end.",
        default="float32",
    )
    reduce_range: bool = option(
        "--reduce-range",
        FLAG,
        "Leave int8 weights 7 bits, for processors without VNNI.",
    )
    calibration: Path | None = option(
        "--calibration",
        path("PATH"),
        "A folder of pictures, or an .npz of prepared inputs.",
        shown="photographs that scikit-image ships",
    )
    method: Any = option(
        "--method",
        choice("minmax", "percentile"),
        "How ranges come from what calibration sees.",
        default="minmax",
    )
    evaluate: Path | None = option(
        "--evaluate",
        path("PATH"),
        "What to judge the precision on: as --calibration; with a folder for each "
        'class, or "labels" in the .npz, top-1 and top-5 are compared.',
        shown="every fifth calibration input, held back",
    )
    tolerate: float | None = option(
        "--tolerate",
        SHARE,
        "The top-1 that may be lost, as in 1% or 0.01; exit 1 where more surely is.",
    )
    bisect: bool = option(
        "--bisect",
        FLAG,
        "Find the blocks that need a higher precision, and write them into the spec.",
    )
    camera: tuple[int, int] | None = option(
        "--camera",
        SIZE,
        "Take uint8 pictures of this size and prepare them in the file.",
    )

    def refuse(self) -> None:
        """What has no effect or no meaning beside each other."""
        super().refuse()
        if self.camera and self.dynamic:
            raise self.refused("{camera} states one size, so nothing is {dynamic}")
        if self.bisect and (not self.verify or self.precision not in ("int8", "fp8")):
            raise self.refused("{bisect} searches for what int8 or fp8 cannot have")
        if self.reduce_range and self.precision not in (None, "int8"):
            raise self.refused(
                "{reduce_range} is about int8 weights: give {precision} int8"
            )


@dataclass(frozen=True, kw_only=True)
class Importing(Group):
    """What ``resgen import`` is asked."""

    out: Path | None = out("The folder to make.", "imported/NAME")
    name: str | None = option(
        "--name",
        file_name("NAME"),
        "What the network is to be called.",
        shown="the file's",
    )
    flat: bool = option(
        "--flat", FLAG, "Write a plain list of operators, without blocks and stages."
    )
    shape: tuple[tuple[str, tuple[int, ...]], ...] = option(
        "--shape",
        SHAPE,
        "Sizes of the input that the file leaves open, without the batch.",
        repeated=True,
    )
    preprocess: Path | None = preprocess("the one beside the file, or a module's own")
    cut: str | None = option(
        "--cut",
        text("NODE"),
        "Read up to this node of the file and give out what it yields.",
    )
    verify: bool = option(
        "--no-verify",
        FLAG,
        "Skip the proof that the spec computes what the source computes.",
        default=True,
    )
    build: bool = option("--build", FLAG, "Go on and build it, in build/NAME.")
    force: bool = option(
        "--force", FLAG, "Keep what others put into the folder, and go on."
    )
