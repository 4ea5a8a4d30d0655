"""An engine of TensorRT for a network that has none yet, built where it is measured.

Its kernels are chosen by measuring them, so two builds of one network differ. Where
that matters (a claim about architectures), several are built, each anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resgen.errors import MissingComponent, UsageError


@dataclass(frozen=True, slots=True)
class Building:
    """What an engine is built for: batch sizes, and sizes of inputs that are open.

    With several ``builds`` none is taken from the cache, and no kernel is chosen by
    what an earlier build has measured.
    """

    batches: tuple[int, ...] = (1,)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    builds: int = 1


def engines_of(
    model: Path, folder: Path, precision: str, building: Building
) -> tuple[Path, ...]:
    """Engines of an ONNX file for the GPU of this machine, with their manifests.

    No GPU, or no TensorRT that builds for it, has exit code 3.
    """
    from resgen.exports.engine import export_engine
    from resgen.exports.tensorrt_form import divided
    from resgen.machine.device import required
    from resgen.tensorrt.flavor import FLAVORS

    device = required("no engine can be built that could be measured")
    flavor = divided((device.capability,), None, (precision,)).flavor
    if flavor is None:
        raise MissingComponent(
            f"A TensorRT that builds for {device.capability}",
            f"there is no engine of {model.stem} for the {device.name}",
            FLAVORS["tensorrt"].install,
        )
    found = []
    several = building.builds > 1
    for number in range(building.builds):
        made = export_engine(
            model,
            folder / f"build-{number}",
            flavor=flavor,
            targets=(device.capability,),
            precision=precision,
            profiles=_spans(building),
            rebuild=several,
            remember=not several,
        )
        found.append(made.engine)
    return tuple(found)


def _spans(
    building: Building,
) -> Sequence[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """A profile a batch size, so that each gets the kernels that are best for it."""
    shapes = set(building.shapes.values())
    if len(shapes) > 1:
        raise UsageError(
            "an engine is built here for inputs of one size, and --shape gives several",
            hint="`resgen export --to tensorrt` makes a folder with an engine",
        )
    rest = next(iter(shapes), ())
    return [((batch, *rest),) * 3 for batch in building.batches]
