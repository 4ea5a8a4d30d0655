"""An engine of TensorRT for a network that has none yet, built where it is measured.

Its kernels are chosen by measuring them, so two builds of one network differ. Where
that matters (a claim about architectures), several are built, each anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resgen.errors import MissingComponent, UsageError
from resgen.machine.process import Failure, Process, Worker

if TYPE_CHECKING:
    from resgen.tensorrt.profiles import Span
    from resgen.tensorrt.request import EngineRequest


@dataclass(frozen=True, slots=True)
class Building:
    """What an engine is built for: batch sizes, sizes of inputs that are open, a GPU.

    With several ``builds`` none is taken from the cache, and no kernel is chosen by
    what an earlier build has measured.
    """

    batches: tuple[int, ...] = (1,)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    builds: int = 1
    device: str = "cuda:0"


class Builder(Worker):
    """What is asked of a process that builds."""

    def build(
        self, model: Path, out: Path, request: EngineRequest, remember: bool
    ) -> Path:
        """An engine of an ONNX file, built anew unless what was built is remembered."""
        from resgen.tensorrt.export import export_engine

        made = export_engine(
            model, out, request, rebuild=not remember, remember=remember
        )
        return made.engine


def engines_of(
    model: Path, folder: Path, precision: str, building: Building
) -> tuple[Path, ...]:
    """Engines of an ONNX file for a GPU of this machine, with their manifests.

    They are built in a process that sees this GPU alone and ends then: what TensorRT
    leaves on the GPU would be there beside the measurement. No GPU, or no TensorRT that
    builds for it, has exit code 3.
    """
    from resgen.machine.device import number_of, required
    from resgen.tensorrt.flavor import FLAVORS
    from resgen.tensorrt.request import EngineRequest
    from resgen.tensorrt.targets import divided

    number = number_of(building.device)
    device = required("no engine can be built that could be measured", number=number)
    flavor = divided((device.capability,), None, (precision,), number).flavor
    if flavor is None:
        raise MissingComponent(
            f"A TensorRT that builds for {device.capability}",
            f"there is no engine of {model.stem} for the {device.name}",
            FLAVORS["tensorrt"].install,
        )
    request = EngineRequest(flavor, (device.capability,), precision, _spans(building))
    remember = building.builds == 1
    found = []
    alone = {"CUDA_VISIBLE_DEVICES": visible(number)}
    with Process(Builder, alone) as process:
        for build in range(building.builds):
            out = folder / f"build-{build}"
            made = process.ask("build", model, out, request, remember)
            if isinstance(made, Failure):
                raise made.error()
            found.append(made)
    return tuple(found)


def visible(number: int) -> str:
    """What CUDA_VISIBLE_DEVICES is where this GPU is to be the only one."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return str(number) if listed is None else listed.split(",")[number].strip()


def _spans(building: Building) -> tuple[Span, ...]:
    """A profile a batch size, so that each gets the kernels that are best for it."""
    shapes = set(building.shapes.values())
    if len(shapes) > 1:
        raise UsageError(
            "an engine is built here for inputs of one size, and these are of several",
            hint="`resgen export --to tensorrt` makes a folder with an engine",
        )
    rest = next(iter(shapes), ())
    return tuple(((batch, *rest),) * 3 for batch in building.batches)
