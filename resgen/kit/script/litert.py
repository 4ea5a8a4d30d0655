"""Check what this folder's LiteRT file computes here, and time it.

    python3 check_and_time.py [--threads 4] [--runs 200] [--warm-up 1.0]

It needs Python 3.8 or newer, numpy and ai-edge-litert. Neither resgen nor torch is
needed: the file is meant to be carried to a device and read there.

``kit.json`` says which file it is, how closely outputs have to agree and the SHA-256 of
every file. ``result.json`` is written beside it:

    resgen_result   1, the version of this schema
    status          "ok" or "outputs differ" (then nothing is timed)
    kit             kit.json as it was found
    started         UTC, ISO 8601; every "at_s" counts from here
    litert          {version}
    machine         {board, processor, cores, python, platform}; board is what the
                    device tree calls it (a Raspberry Pi has one), null elsewhere
    file            {file, bytes, sha256, load_seconds}
    outputs         a row an output: {name, shape, dtype, largest_difference,
                    share_of_range, tolerance, cosine, signal_to_noise_db, top1, ok};
                    top1 is [agreeing, all] where the output is a row of scores. What
                    cannot be compared ends after tolerance and has ok: false, and
                    expected_shape if that is why
    columns         ["at_s", "host_ms"]: what a sample below holds
    timings         [{inputs: {name: shape}, threads, state_before, state_after,
                    latency: [sample]}]; a state is {processor_mhz, temperature_c,
                    governor}, each null where the system does not tell

Exit codes: 0 done; 1 outputs differ, or a file is damaged or refused; 2 wrong usage;
3 ai-edge-litert is not there; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resgen.kit.script.command import exit_code, options_of
from resgen.kit.script.compare import compare, row_line
from resgen.kit.script.files import (
    Stop,
    read_arrays,
    read_kit,
    write_json,
    write_line,
)

RESULT = "result.json"
#: What kit.json says, beside what it is called.
KEYS = ("model", "inputs", "expected", "tolerances")
COLUMNS = ["at_s", "host_ms"]


def run_kit(
    folder: Path, threads: int, runs: int, warm_up: float, say: Callable[[str], None]
) -> int:
    """Do all of it; returns the exit code."""
    kit = read_kit(folder, KEYS)
    feeds = read_arrays(folder / kit["inputs"])
    expected = read_arrays(folder / kit["expected"])
    machine = describe_machine(Path("/"))
    say(f"machine  {machine['board'] or machine['processor']}, "
        f"{machine['cores']} cores")  # fmt: skip
    version, interpreter = load_litert()
    begin = time.perf_counter()
    runner = opened(interpreter, folder / kit["model"], feeds, threads)
    seconds = time.perf_counter() - begin
    entry = kit["files"][kit["model"]]
    result: dict[str, Any] = {
        "resgen_result": 1,
        "status": "ok",
        "kit": kit,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "litert": {"version": version},
        "machine": machine,
        "file": {"file": kit["model"], "load_seconds": seconds, **entry},
        "columns": COLUMNS,
        "timings": [],
    }
    origin = time.perf_counter()
    runner.invoke()
    rows = compare(outputs_of(runner), expected, kit["tolerances"])
    result["outputs"] = rows
    for row in rows:
        say(row_line(row))
    if all(row["ok"] for row in rows):
        before = state(Path("/"))
        samples = timed(runner.invoke, runs, warm_up, origin)
        shapes = {name: list(array.shape) for name, array in feeds.items()}
        result["timings"].append(
            {"inputs": shapes, "threads": threads, "state_before": before,
             "state_after": state(Path("/")), "latency": samples}
        )  # fmt: skip
        middle = float(np.median([sample[1] for sample in samples]))
        sizes = ", ".join("x".join(map(str, shape)) for shape in shapes.values())
        say(f"time     {sizes}: {middle:.3f} ms with {threads} threads "
            f"(median of {runs} runs)")  # fmt: skip
    else:
        result["status"] = "outputs differ"
    write_json(folder / RESULT, result)
    say(f"wrote    {RESULT}")
    return 0 if result["status"] == "ok" else 1


def load_litert() -> tuple[str, Any]:
    """The version of LiteRT, and its interpreter."""
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise Stop(3, f"{error}: pip install ai-edge-litert") from None
    return str(getattr(ai_edge_litert, "__version__", "unknown")), Interpreter


def opened(interpreter: Any, file: Path, feeds: Any, threads: int) -> Any:
    """The file with its inputs set, by their names in its signature."""
    try:
        run = interpreter(model_path=str(file), num_threads=threads)
        inputs = run.get_signature_runner().get_input_details()
        if set(inputs) != set(feeds):
            raise Stop(1, f"the file takes {', '.join(sorted(inputs))}, but the kit "
                          f"gives {', '.join(sorted(feeds))}")  # fmt: skip
        for name, about in inputs.items():
            run.resize_tensor_input(about["index"], feeds[name].shape)
        run.allocate_tensors()
        for name, about in inputs.items():
            run.set_tensor(about["index"], coded(feeds[name], about))
    except (RuntimeError, ValueError) as error:
        raise Stop(1, f"LiteRT does not run {file.name}: {error}") from None
    return run


def outputs_of(run: Any) -> dict[str, Any]:
    """Every output of the last run, by its name; whole numbers as what they mean."""
    found = {}
    for name, about in run.get_signature_runner().get_output_details().items():
        found[name] = run.get_tensor(about["index"])
        scale, point = about["quantization"]
        if scale:
            found[name] = (found[name].astype(np.float32) - point) * np.float32(scale)
    return found


def coded(array: Any, about: Any) -> Any:
    """An input in whole numbers, if the file takes those."""
    scale, point = about["quantization"]
    if not scale:
        return array
    least, greatest = np.iinfo(about["dtype"]).min, np.iinfo(about["dtype"]).max
    numbers = np.rint(array / np.float32(scale)) + point
    return np.clip(numbers, least, greatest).astype(about["dtype"])


def timed(
    work: Callable[[], None], runs: int, warm_up: float, origin: float
) -> list[list[float]]:
    """Time ``work`` after ``warm_up`` seconds of it; the rows are ``COLUMNS``."""
    ready = time.perf_counter() + warm_up
    work()
    while time.perf_counter() < ready:
        work()
    rows = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        rows.append([start - origin, (time.perf_counter() - start) * 1e3])
    return rows


def describe_machine(root: Path) -> dict[str, Any]:
    """``machine``."""
    names = [line.partition(":")[2].strip() for line in
             read_text(root / "proc/cpuinfo").splitlines()
             if line.startswith(("model name", "Model"))]  # fmt: skip
    board = read_text(root / "proc/device-tree/model").strip("\0 \n")
    return {"board": board or None,
            "processor": names[0] if names else platform.machine(),
            "cores": os.cpu_count(), "python": platform.python_version(),
            "platform": platform.platform()}  # fmt: skip


def state(root: Path) -> dict[str, Any]:
    """What decides how fast a processor is at the moment."""
    scaling = root / "sys/devices/system/cpu/cpu0/cpufreq"
    zones = root.glob("sys/class/thermal/thermal_zone*/temp")
    heat = [int(text) / 1e3 for text in map(read_text, zones) if text.strip().isdigit()]
    governor = read_text(scaling / "scaling_governor").strip()
    clock = read_text(scaling / "scaling_cur_freq").strip()
    return {"processor_mhz": int(clock) / 1e3 if clock.isdigit() else None,
            "temperature_c": max(heat) if heat else None,
            "governor": governor or None}  # fmt: skip


def read_text(path: Path) -> str:
    """A file of the system's; nothing where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """The command line; the kit is the folder in which this file lies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = options_of(parser, arguments)
    if options.threads < 1:
        parser.error("--threads takes a number from 1")
    place = folder or Path(__file__).resolve().parent
    return exit_code("check_and_time", lambda: run_kit(
        place, options.threads, options.runs, options.warm_up, write_line
    ))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
