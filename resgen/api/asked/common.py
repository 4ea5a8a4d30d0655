"""Options that several functions take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.leases.address import ADDRESS
from resgen.options.group import Group, option
from resgen.options.kinds import (
    FLAG,
    THREADS,
    Kind,
    choice,
    path,
    several,
    text,
    told,
    whole,
)
from resgen.spec.change import CHANGE, EXAMPLE, word
from resgen.weights.loading import Loading

_VARIED: Final = "/stages/2/depth=4,6,8"


def _apart(words: str) -> list[str]:
    """What stands between commas, but for those of JSON."""
    found, depth, quoted, escaped = [""], 0, False, False
    for sign in words:
        if sign == "," and not depth and not quoted:
            found.append("")
            continue
        found[-1] += sign
        if sign == '"' and not escaped:
            quoted = not quoted
        elif not quoted:
            depth += (sign in "[{") - (sign in "]}")
        escaped = sign == "\\" and not escaped
    return [each.strip() for each in found]


def _varied(value: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(value, str):
        pointer, _, words = value.partition("=")
        values = _apart(words)
    elif isinstance(value, tuple) and len(value) == 2:
        pointer, given = str(value[0]), value[1]
        values = [word(each).strip() for each in several(given)]
        values = [v if len(_apart(v)) == 1 else json.dumps(v) for v in values]
    else:
        pointer, values = "", []
    if pointer[:1] != "/" or not values or not all(values):
        raise ValueError(
            f"{told(value)} is not of the form /POINTER=VALUE,..., such as {_VARIED}"
        )
    return pointer, tuple(dict.fromkeys(values))


#: A place in a spec, and the values that it is to have in turn.
VARIED: Final = Kind(
    "/POINTER=VALUE,...", _varied, _varied, lambda v: f"{v[0]}={','.join(v[1])}"
)


def _sized(value: Any) -> tuple[str, tuple[int, ...]]:
    name, sizes = value if isinstance(value, tuple) and len(value) == 2 else ("", ())
    sound = isinstance(name, str) and isinstance(sizes, tuple | list) and sizes
    if not sound or not all(type(n) is int and 0 < n < 10**9 for n in sizes):
        raise ValueError(f'{told(value)} is no shape such as ("", (3, 224, 224))')
    return name, tuple(sizes)


def _read_sized(word: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = word.rpartition("=")
    words = sizes.lower().split("x")
    if not all(re.fullmatch(r"[1-9]\d{0,8}", each, re.ASCII) for each in words):
        raise ValueError(f'"{word}" is no shape such as 3x224x224')
    return name, tuple(map(int, words))


def _write_sized(value: tuple[str, tuple[int, ...]]) -> str:
    name, sizes = value
    return f"{name}={'x'.join(map(str, sizes))}".removeprefix("=")


#: Sizes of an input without the batch, by the input's name; ``""`` is any input.
SHAPE: Final = Kind("[NAME=]CxHxW", _read_sized, _sized, _write_sized)


def _placed(value: Any) -> str:
    found = re.fullmatch(r"cpu|cuda(?::(\d{1,4}))?", str(value), re.ASCII)
    if found is None:
        raise ValueError(f"{told(value)} is no device; cpu, cuda and cuda:1 are")
    return "cpu" if value == "cpu" else f"cuda:{int(found[1] or 0)}"


DEVICE: Final = Kind("cpu|cuda[:N]", _placed, _placed)
PRECISION: Final = choice("fp32", "fp16", "bf16", "int8", "fp8")


@dataclass(frozen=True, kw_only=True)
class Changing(Group):
    """A spec with some of it changed."""

    set: tuple[str, ...] = option(
        "--set",
        CHANGE,
        f"Change a part of the spec, as in {EXAMPLE}; may be repeated.",
        repeated=True,
    )


@dataclass(frozen=True, kw_only=True)
class Reading(Changing):
    """A spec with some of it changed, and how large its network may be."""

    max_operators: int | None = option(
        "--max-operators",
        whole(),
        "Refuse a network with more operators.",
        shown="16,000",
    )
    max_parameters: int | None = option(
        "--max-parameters",
        whole(),
        "Refuse a network with more parameters.",
        shown="2,000,000,000",
    )


@dataclass(frozen=True, kw_only=True)
class Leasing(Group):
    """Whose device is timed on."""

    on: Any = option(
        "--on",
        ADDRESS,
        "Time it there, on a device that is leased over ssh; with /opt/venv/bin/python "
        "after it by that Python.",
        shown="this machine",
    )


@dataclass(frozen=True, kw_only=True)
class Measuring(Leasing):
    """On what, and with what inputs and threads, a network runs."""

    device: str | None = option(
        "--device",
        DEVICE,
        "What it runs on.",
        shown="cuda for engines of TensorRT, else cpu",
    )
    precision: Any = option(
        "--precision",
        PRECISION,
        "At what precision a network is written.",
        shown="the folder's, else fp32",
    )
    shape: tuple[tuple[str, tuple[int, ...]], ...] = option(
        "--shape",
        SHAPE,
        "Sizes of an input that the file leaves open, without the batch.",
        repeated=True,
    )
    threads: int | None = option(
        "--threads",
        THREADS,
        "How many threads one operator uses on a processor.",
        shown="the cores that this process really has",
    )

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Sizes by the name of an input, ``""`` for all of them."""
        return dict(self.shape)


@dataclass(frozen=True, kw_only=True)
class Weighing(Group):
    """Weights of a checkpoint, and how they are taken from it."""

    weights: Path | None = option(
        "--weights",
        path("FILE"),
        "A .safetensors or .pth file with torchvision's or timm's names.",
        shown="untrained ones",
    )
    ema: bool = option("--ema", FLAG, "Take the checkpoint's moving average.")
    key: str | None = option(
        "--key", text("PATH"), "Take the weights at this place in the file."
    )
    prefix: str | None = option(
        "--prefix", text("TEXT"), "Take the weights whose names begin so."
    )
    ignore_extra: bool = option(
        "--ignore-extra", FLAG, "Leave out what the network has no parameter for."
    )
    adapt: bool = option(
        "--adapt",
        FLAG,
        "Leave a head that does not fit fresh, and sum or repeat input channels.",
    )

    @property
    def loading(self) -> Loading:
        """How they are taken."""
        return Loading(self.ema, self.key, self.prefix, self.ignore_extra, self.adapt)

    def refuse(self) -> None:
        """Without a checkpoint there is nothing to choose from."""
        super().refuse()
        if self.weights is None and self.loading != Loading():
            first = next(n for n in _TAKING if getattr(self, n) not in (None, False))
            raise self.refused(
                f"{{{first}}} is about the weights of a checkpoint: give {{weights}}"
            )


def preprocess(shown: str) -> Any:
    """``--preprocess``: how the pictures of a network are prepared."""
    return option(
        "--preprocess",
        path("FILE"),
        "timm's config.json or its like: how pictures are prepared.",
        shown=shown,
    )


@dataclass(frozen=True, kw_only=True)
class Making(Weighing):
    """Weights, and how their pictures are prepared."""

    preprocess: Path | None = preprocess("the one beside the weights, else the spec's")


_TAKING: Final = tuple(field.name for field in fields(Loading))


def out(what: str, shown: str) -> Any:
    """``--out``: the folder that is made."""
    return option("--out", path("DIR"), what, short="-o", shown=shown)


def require_folder(out: Path) -> None:
    """Refuse what is a file already."""
    if out.exists() and not out.is_dir():
        raise ResgenError(f"{out} is a file", hint="name another folder")
