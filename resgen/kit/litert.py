"""The kit of a LiteRT file: what a phone or a small board is given to check it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from resgen.kit.write import Trial, write_folder
from resgen.runtime.base import Array

SCRIPT: Final = "check_and_time.py"
#: Where a phone lets everybody put files and run them.
_PLACE: Final = "/data/local/tmp"

_README: Final = """\
{name}, {precision}: a LiteRT file and what it takes to check and time it on the device
itself. On a board that has Python (a Raspberry Pi, a Jetson):

  pip install ai-edge-litert numpy
  python3 {script}
    checks the outputs against expected.npz, then writes result.json (described in the
    script), which `resgen report` reads; inputs and outputs have the file's order of
  axes, in float32

On an Android phone with LiteRT's own benchmark_model for it (android_aarch64), which
times the file and each of its operators and does not check the outputs:

  adb push benchmark_model {model} {place}
  adb shell chmod +x {place}/benchmark_model
  {line}

`resgen report benchmark.txt --network spec.json`, here beside the file, reads it.
"""


def write_litert_kit(file: Path, out: Path, trial: Trial) -> tuple[Path, ...]:
    """Write the folder ``out``, which is not there yet; returns its files.

    The trial's inputs and outputs have the order of axes that the file has.
    """
    line = benchmark_line(file.name, trial.inputs)
    readme = _README.format(
        name=trial.name,
        precision=trial.precision,
        script=SCRIPT,
        model=file.name,
        place=_PLACE,
        line=line,
    )
    kit = {"model": file.name, "benchmark": line}
    return write_folder(out, trial, kit, {file.name: file}, SCRIPT, readme)


def benchmark_line(model: str, inputs: Mapping[str, Array]) -> str:
    """The command that times the file on a phone with the official program."""
    shapes = ":".join(",".join(map(str, each.shape)) for each in inputs.values())
    return (
        f"adb shell {_PLACE}/benchmark_model --graph={_PLACE}/{model} "
        f"--input_layer={','.join(inputs)} --input_layer_shape={shapes} "
        "--num_threads=4 --use_xnnpack=true --enable_op_profiling=true > benchmark.txt"
    )
