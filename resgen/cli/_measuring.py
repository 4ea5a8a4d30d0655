"""Options of commands that measure, and what their texts mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from resgen.api.specs import network
from resgen.cli._options import Whole
from resgen.errors import ResgenError, UsageError

if TYPE_CHECKING:
    from resgen.graph.precision import Name
    from resgen.profiling.subject import Prepared, Wanted

Command = TypeVar("Command", bound=Callable[..., Any])


def measuring_options(command: Command) -> Command:
    """On what, and with what inputs and threads, a network runs."""
    for add in (
        click.option(
            "--threads",
            metavar="N",
            type=Whole(),
            show_default="the cores that this process really has",
            help="How many threads one operator uses on a processor.",
        ),
        click.option(
            "--shape",
            "shapes",
            metavar="[NAME=]CxHxW",
            multiple=True,
            help="Sizes of an input that the file leaves open, without the batch.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "fp16", "bf16", "int8", "fp8"]),
            show_default="the folder's, else fp32",
            help="At what precision a network is written.",
        ),
        click.option(
            "--device",
            metavar="cpu|cuda[:N]",
            show_default="cuda for engines of TensorRT, else cpu",
            help="What it runs on.",
        ),
    ):
        command = add(command)
    return command


def parse_device(text: str | None, runtimes: Sequence[str]) -> str:
    """``cpu`` or ``cuda:N``."""
    if text is None:
        return "cuda:0" if runtimes and set(runtimes) == {"tensorrt"} else "cpu"
    if text == "cpu":
        return text
    found = re.fullmatch(r"cuda(?::(\d+))?", text)
    if found is None:
        raise UsageError(f'"{text}" is no device; cpu, cuda and cuda:1 are')
    return f"cuda:{found[1] or 0}"


def parse_batches(text: str) -> tuple[int, ...]:
    """Batch sizes in order, each once.

    >>> parse_batches("1,8,32")
    (1, 8, 32)
    """
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,6}", word) for word in words):
        raise UsageError(f'"{text}" is no list of batch sizes such as 1,8,32')
    return tuple(dict.fromkeys(map(int, words)))


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Sizes by the name of an input, ``""`` for all of them.

    >>> parse_shapes(["3x224x224", "mask=1x8"])
    {'': (3, 224, 224), 'mask': (1, 8)}
    """
    found = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        words = sizes.lower().split("x")
        if not all(re.fullmatch(r"[1-9]\d{0,8}", word) for word in words):
            raise UsageError(f'"{text}" is no shape such as 3x224x224')
        found[name] = tuple(map(int, words))
    return found


def wanted_of(
    source: str,
    precision: Name | None,
    assignments: tuple[str, ...] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Wanted:
    """What a SOURCE of the command line stands for."""
    from resgen.profiling.subject import Wanted

    path = Path(source)
    read = None
    if path.suffix == ".onnx" and not path.is_file():
        raise ResgenError(f"{path} does not exist")
    if not path.is_dir() and path.suffix not in (".onnx", ".engine", ".plan"):
        spec, graph, _ = network(source, assignments, None, None)
        read = spec, graph
    return Wanted(
        source, precision, assignments=assignments, network=read, shapes=shapes or {}
    )


def default_runtime(subject: Prepared, device: str) -> str:
    """The runtime where none is asked for: what people deploy, if it is here."""
    from resgen.runtime.engines import find

    if subject.model is None:
        return "tensorrt"
    for name in ("onnxruntime", "torch"):
        engine = find(name)
        if engine.installed and (name != "torch" or subject.network is not None):
            return name
    find("onnxruntime").require(device, f"{subject.subject.name} cannot be measured")
    return "onnxruntime"
