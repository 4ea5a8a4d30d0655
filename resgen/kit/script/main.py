"""Build this folder's network with TensorRT, check what it computes, and time it.

    python3 build_and_time.py [--flavor tensorrt|rtx] [--runs 200] [--warm-up 1.0]

It needs Python 3.8 or newer, numpy, TensorRT (10, 11 or TensorRT for RTX) and the
CUDA runtime, which is called through ctypes. Neither resgen nor torch is needed: the
file is meant to be carried to a device and read there.

``kit.json`` says what to build, how closely outputs have to agree and the SHA-256 of
every file. ``model.engine`` and ``result.json`` are written beside it. The latter is

    resgen_result   1, the version of this schema
    status          "ok" or "outputs differ" (then nothing is timed)
    kit             kit.json as it was found
    started         UTC, ISO 8601; every "at_s" counts from here
    tensorrt        {flavor, version}
    machine         {gpu, compute_capability, memory_bytes, cuda_driver, cuda_runtime,
                    driver, python, platform, power_mode, clocks_pinned}; driver is
                    null where NVML is not, the last two but on a Jetson
    engine          {file, bytes, sha256, build_seconds, flags}
    outputs         a row an output: {name, shape, dtype, largest_difference,
                    share_of_range, tolerance, cosine, signal_to_noise_db, top1, ok};
                    top1 is [agreeing, all] where the output is a row of scores. What
                    cannot be compared ends after tolerance and has ok: false, and
                    expected_shape if that is why
    columns         ["at_s", "device_ms", "host_ms"]: what a sample below holds. Device
                    time is between CUDA events, host time from before the launch until
                    the stream is idle
    timings         a row a profile: {profile, inputs: {name: shape}, clocks_before,
                    clocks_after, cuda_graph, compute: [sample], end_to_end: [sample]};
                    compute has its inputs on the device and is launched as one CUDA
                    graph where cuda_graph is true, end_to_end copies them there and
                    the outputs back, through pinned memory; clocks are {sm_mhz,
                    memory_mhz, temperature_c} or null
    layer_times     a row a profile: {profile, layers: [{name, ms: [one a run]}]}, from
                    a pass of its own, since reading them slows the network down
    layers          what the engine inspector says, as TensorRT writes it

Exit codes: 0 done; 1 outputs differ, or a file is damaged or refused; 2 wrong usage;
3 TensorRT, the CUDA runtime or a GPU is not there; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resgen.kit.script.board import read_board
from resgen.kit.script.command import exit_code, options_of
from resgen.kit.script.compare import compare, row_line
from resgen.kit.script.cuda import Cuda, cudart_files, find_cuda, read_nvml
from resgen.kit.script.engine import (
    FLAVORS,
    build,
    load_engine,
    load_tensorrt,
    make_logger,
)
from resgen.kit.script.files import (
    Stop,
    read_arrays,
    read_kit,
    write_json,
    write_line,
    write_whole,
)
from resgen.kit.script.measure import (
    graphed,
    inspect_layers,
    layer_times,
    outputs_of,
    samples,
)
from resgen.kit.script.tensors import Bound, bound

ENGINE = "model.engine"
RESULT = "result.json"
#: What kit.json says, beside what it is called.
KEYS = ("target", "onnx", "inputs", "expected", "test_profile", "profiles", "tf32",
        "workspace", "level", "tolerances")  # fmt: skip
COLUMNS = ["at_s", "device_ms", "host_ms"]


def run_kit(
    folder: Path,
    trt: Any,
    cuda: Cuda | None,
    why_no_cuda: str,
    runs: int,
    warm_up: float,
    say: Callable[[str], None],
) -> int:
    """Do all of it with this TensorRT and this CUDA; returns the exit code."""
    kit = read_kit(folder, KEYS)
    feeds = read_arrays(folder / kit["inputs"])
    expected = read_arrays(folder / kit["expected"])
    logger = make_logger(trt)
    version = f"{trt.__name__} {trt.__version__}"
    if cuda is None and not hasattr(trt, "ComputeCapability"):
        only = f"{version} builds only for a GPU that is there, and {why_no_cuda}"
        raise Stop(3, only)
    machine = describe_machine(cuda, kit["target"], say)
    begin = time.perf_counter()
    blob, flags = build(trt, logger, folder, kit, sm(machine))
    seconds = time.perf_counter() - begin
    blob = memoryview(blob)
    write_whole(folder / ENGINE, blob)
    say(f"engine   {ENGINE}, {len(blob) / 1e6:.1f} MB in {seconds:.1f} s ({version})")
    if cuda is None:
        raise Stop(3, f"{ENGINE} is built, but nothing can run it here: {why_no_cuda}")
    result: dict[str, Any] = {
        "resgen_result": 1,
        "status": "ok",
        "kit": kit,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "tensorrt": {"flavor": trt.__name__, "version": trt.__version__},
        "machine": machine,
        "engine": {"file": ENGINE, "bytes": len(blob), "build_seconds": seconds,
                   "sha256": hashlib.sha256(blob).hexdigest(), "flags": flags},
        "columns": COLUMNS,
        "timings": [],
        "layer_times": [],
    }  # fmt: skip
    origin = time.perf_counter()
    # The runtime has to live as long as the engine that it made.
    engine, runtime = load_engine(trt, logger, blob)
    said = logger.said
    with bound(trt, cuda, engine, feeds, kit["test_profile"], said) as run:
        rows = compare(outputs_of(run), expected, kit["tolerances"])
        result.update(outputs=rows, layers=inspect_layers(trt, engine, run.context))
    for row in rows:
        say(row_line(row))
    if all(row["ok"] for row in rows):
        for index, full in enumerate(timed_inputs(kit["profiles"], feeds)):
            shapes = {name: list(array.shape) for name, array in full.items()}
            with bound(trt, cuda, engine, full, index, said) as run:
                timing = {"profile": index, "inputs": shapes,
                          **timed(cuda, run, runs, warm_up, origin)}  # fmt: skip
                layers = layer_times(trt, run)
            result["timings"].append(timing)
            result["layer_times"].append({"profile": index, "layers": layers})
            say(summary(timing))
    else:
        result["status"] = "outputs differ"
    del engine, runtime
    write_json(folder / RESULT, result)
    say(f"wrote    {RESULT}")
    return 0 if result["status"] == "ok" else 1


def timed(
    cuda: Cuda, run: Bound, runs: int, warm_up: float, origin: float
) -> dict[str, Any]:
    """What a row of ``timings`` says of the network in this run."""
    row: dict[str, Any] = {"clocks_before": read_nvml(cuda.bus())["clocks"]}
    run.compute()
    run.wait()
    with graphed(run) as launch:
        row["cuda_graph"] = launch is not None
        row["compute"] = samples(run, launch or run.compute, runs, warm_up, origin)
    row["end_to_end"] = samples(run, run.end_to_end, runs, warm_up, origin)
    row["clocks_after"] = read_nvml(cuda.bus())["clocks"]
    return row


def describe_machine(
    cuda: Cuda | None, target: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """``machine``, as far as there is one."""
    machine: dict[str, Any] = {"python": platform.python_version(),
                               "platform": platform.platform(),
                               **read_board(Path("/"))}  # fmt: skip
    if cuda is not None:
        machine.update(cuda.describe(), driver=read_nvml(cuda.bus())["driver"])
        capability = machine["compute_capability"]
        say(f"machine  {machine['gpu']}, compute capability {capability}")
        if sm(machine) not in target.replace(" ", "").split(","):
            say(f"         (the kit was written for {target})")
    return machine


def sm(machine: Mapping[str, Any]) -> str | None:
    """The compute capability as targets are named, None without a GPU."""
    found = machine.get("compute_capability")
    return f"sm_{found.replace('.', '')}" if found else None


def timed_inputs(
    profiles: Sequence[Mapping[str, Any]], feeds: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The test inputs, repeated or cut to what each profile was optimised for."""
    for profile in profiles or [{}]:
        yield {
            name: np.resize(array, profile[name]["opt"]) if name in profile else array
            for name, array in feeds.items()
        }


def summary(timing: Mapping[str, Any]) -> str:
    """Of a row of ``timings``, for a person."""
    device = float(np.median([sample[1] for sample in timing["compute"]]))
    host = float(np.median([sample[2] for sample in timing["end_to_end"]]))
    shapes = ", ".join("x".join(map(str, s)) for s in timing["inputs"].values())
    return (f"time     {shapes}: {device:.3f} ms on the device, {host:.3f} ms with "
            f"copies (medians of {len(timing['compute'])} runs)")  # fmt: skip


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """The command line; the kit is the folder in which this file lies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--flavor", choices=sorted(FLAVORS), help="which TensorRT")
    options = options_of(parser, arguments)

    def work() -> int:
        trt = load_tensorrt(options.flavor)
        cuda, why = find_cuda(cudart_files())
        return run_kit(folder or Path(__file__).resolve().parent, trt, cuda, why,
                       options.runs, options.warm_up, write_line)  # fmt: skip

    return exit_code("build_and_time", work)


if __name__ == "__main__":
    sys.exit(main())
