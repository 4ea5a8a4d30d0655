"""A kit: a folder to carry to a machine that can build what this one cannot."""

from __future__ import annotations

import json
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen._version import __version__
from resgen.document.files import plain
from resgen.errors import ResgenError, UsageError
from resgen.files.hashed import Entry, HashedFile
from resgen.kit.assemble import assemble
from resgen.onnxfile.external import named_files
from resgen.runtime.base import Array
from resgen.tensorrt.profiles import Profile
from resgen.words.numbers import shape as said

MODEL: Final = "model.onnx"
KIT: Final = "kit.json"
INPUTS: Final = "inputs.npz"
EXPECTED: Final = "expected.npz"
SCRIPT: Final = "build_and_time.py"
README: Final = "README.txt"

_README: Final = """\
{name}, {precision}, for {target}: an ONNX file and what it takes to build, check and
time its TensorRT engine on the device itself. Either

  python3 {script}
    needs TensorRT 10 or newer, numpy and the CUDA runtime; checks the outputs against
    expected.npz, then writes model.engine and result.json (described in the script)

or, to build and time without checking the outputs,

  {trtexec}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a network is checked by where it runs, whatever runs it.

    ``expected`` is what it gives for ``inputs``, by name and with the batch, and
    ``tolerance`` how far outputs may be off, as a share of their range. ``metadata`` is
    kept in ``kit.json`` as it is.
    """

    name: str
    precision: str
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    tolerance: float
    metadata: Mapping[str, Any]


def write_kit(
    onnx: Path,
    out: Path,
    trial: Trial,
    *,
    target: str,
    profiles: Sequence[Profile],
    workspace: int | None = None,
    level: int | None = None,
) -> tuple[Path, ...]:
    """Write the folder ``out``, which is not there yet; returns its files.

    ``target`` names compute capabilities (``sm_87``, or ``sm_87, sm_90``).
    ``profiles`` are empty where sizes are fixed. ``workspace`` (in bytes) and the
    optimisation ``level`` are TensorRT's own where they are None.

    An engine of an fp32 file computes without TF32, whose ten bits would not pass for
    float32. Inputs that no profile takes are a :class:`~resgen.errors.UsageError`.
    """
    tf32 = trial.precision != "fp32"
    line = trtexec_line(profiles, tf32=tf32, workspace=workspace, level=level)
    kit = {
        "target": target,
        "onnx": MODEL,
        "test_profile": _profile_of(trial.inputs, profiles),
        "profiles": [
            {
                key: dict(zip(("min", "opt", "max"), map(list, sizes), strict=True))
                for key, sizes in profile.items()
            }
            for profile in profiles
        ],
        "tf32": tf32,
        "workspace": workspace,
        "level": level,
        "trtexec": line,
    }
    readme = _README.format(
        name=trial.name,
        precision=trial.precision,
        target=target,
        script=SCRIPT,
        trtexec=line,
    )
    sources = {MODEL: onnx, **named_files(onnx)}
    return write_folder(out, trial, kit, sources, SCRIPT, readme)


def write_folder(
    out: Path,
    trial: Trial,
    more: Mapping[str, Any],
    sources: Mapping[str, Path],
    script: str,
    readme: str,
) -> tuple[Path, ...]:
    """Write any kit: its files, the script and what to do, and ``kit.json``.

    ``more`` is what that says beside what it says of every trial.
    """
    out.mkdir()
    files = {file: _copy(path, out / file) for file, path in sources.items()}
    files[INPUTS] = _write_arrays(out / INPUTS, trial.inputs)
    files[EXPECTED] = _write_arrays(out / EXPECTED, trial.expected)
    files[script] = _write(out / script, assemble(script).encode())
    files[README] = _write(out / README, readme.encode())
    told = {
        "resgen_kit": 1,
        "resgen": __version__,
        "name": trial.name,
        "precision": trial.precision,
        "inputs": INPUTS,
        "expected": EXPECTED,
        "tolerances": dict.fromkeys(trial.expected, trial.tolerance),
        **more,
        "metadata": dict(trial.metadata),
        "files": plain(files),
    }
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    _write(out / KIT, text.encode())
    # Whoever may read it may run it.
    mode = (out / script).stat().st_mode
    (out / script).chmod(mode | (mode & 0o444) >> 2)
    return tuple(out / file for file in (KIT, *files))


def read_arrays(file: Path) -> dict[str, Array]:
    """The arrays of a kit's .npz; ResgenError where it is none that a kit holds."""
    try:
        with zipfile.ZipFile(file) as archive:
            # What is kept as it is takes no more memory than the file does.
            sound = all(not entry.compress_type for entry in archive.infolist())
        if sound:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass
    raise ResgenError(f"{file} does not hold the arrays that a kit is written with")


def trtexec_line(
    profiles: Sequence[Profile], *, tf32: bool, workspace: int | None, level: int | None
) -> str:
    """The command that builds and times the same engine with NVIDIA's own program.

    ``--stronglyTyped`` is needed by TensorRT 10 and changes nothing in 11. Layer times
    come from a run of their own, as reading them slows the network down. The network is
    launched as the script launches it: as a CUDA graph, and without where that cannot
    be (trtexec then warns and goes on).
    """
    words = ["trtexec", f"--onnx={MODEL}", "--saveEngine=model.engine"]
    words.append("--stronglyTyped")
    if not tf32:
        words.append("--noTF32")
    if workspace is not None:
        # In MiB, as all versions read a plain number: 10.0 ignores a unit.
        words.append(f"--memPoolSize=workspace:{workspace / 2**20:.12g}")
    if level is not None:
        words.append(f"--builderOptimizationLevel={level}")
    for index, profile in enumerate(profiles):
        if len(profiles) > 1:
            words.append(f"--profile={index}")
        for place, option in enumerate(("minShapes", "optShapes", "maxShapes")):
            shapes = ",".join(
                f"{name}:{'x'.join(map(str, sizes[place]))}"
                for name, sizes in profile.items()
            )
            words.append(f"--{option}={shapes}")
    words += ["--profilingVerbosity=detailed", "--separateProfileRun"]
    words.append("--useCudaGraph")
    words += ["--exportTimes=times.json", "--exportProfile=profile.json"]
    words.append("--exportLayerInfo=layers.json")
    return shlex.join(words)


def _profile_of(inputs: Mapping[str, Array], profiles: Sequence[Profile]) -> int:
    """The first profile that takes the inputs; 0 where sizes are fixed."""
    for index, profile in enumerate(profiles):
        if all(
            low <= size <= high
            for name, (least, _, most) in profile.items()
            for size, low, high in zip(inputs[name].shape, least, most, strict=True)
        ):
            return index
    if profiles:
        shown = ", ".join(said(array.shape) for array in inputs.values())
        raise UsageError(f"no profile takes the test inputs, which are {shown}")
    return 0


def _copy(source: Path, target: Path) -> Entry:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as origin, HashedFile(target) as file:
        while chunk := origin.read(1 << 20):
            file.write(chunk)
    return file.entry


def _write(target: Path, content: bytes) -> Entry:
    with HashedFile(target) as file:
        file.write(content)
    return file.entry


def _write_arrays(target: Path, arrays: Mapping[str, Array]) -> Entry:
    """An .npz of types that numpy alone knows: others become float32."""
    plain: dict[str, Any] = {
        name: array.astype(np.float32) if array.dtype.kind == "V" else array
        for name, array in arrays.items()
    }
    np.savez(target, **plain)
    return _write(target, target.read_bytes())
