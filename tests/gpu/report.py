"""Run everything that `checks.py` has on this machine's GPU; one JSON report.

    python tests/gpu/report.py [NAME...]       all checks, or those whose name has NAME

What is not there is skipped with a reason. The report goes to build/gpu-report.json, or
where GPU_REPORT says:

    resgen_gpu_report   1, the version of this schema
    started             UTC, ISO 8601
    machine             {gpu, compute_capability, ... , python, versions}
    checks              [{name, status: ok|skipped|failed, seconds, reason, found}]

Exit codes: 0 nothing failed; 1 something did, or nothing ran although there is a GPU;
3 there is no GPU, so all was skipped. Where build/gpu-bundle is (`make gpu-bundle`) and
fits this Python, what it holds is used.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUNDLE = ROOT / "build" / "gpu-bundle"
UNPACKED = ROOT / "build" / "gpu-unpacked"
#: Seconds that one check may take; comparing engines, built four times each, is the
#: slowest, next to torch.compile.
LIMIT = 420
PACKAGES = ("resgen", "numpy", "onnx", "torch", "triton", "onnxruntime",
            "onnxruntime-gpu", "tensorrt", "tensorrt-rtx")  # fmt: skip


def describe(cuda):
    """The machine; ``cuda`` is None where there is no GPU."""
    machine = {"python": platform.python_version(), "platform": platform.platform()}
    if cuda is not None:
        from resgen.kit.script.cuda import read_nvml

        machine.update(cuda.describe(), **read_nvml(cuda.bus()))
    found = {name.lower().replace("_", "-"): at for name, at in installed()}
    machine["versions"] = {name: found.get(name) for name in PACKAGES}
    return machine


def installed():
    """Names and versions of the distributions that can be imported."""
    return [(d.metadata["Name"], d.version) for d in distributions()]


def run_apart(name, folder, environment):
    """One check in a process of its own."""
    out = Path(folder) / "row.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "checks.py"), name, str(out)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said = process.communicate(timeout=LIMIT)[1].strip()[-2000:]
        except subprocess.TimeoutExpired:
            end(process)
            reason = f"not done in {LIMIT} s"
            return {"name": name, "status": "failed", "reason": reason}
        except BaseException:
            end(process)
            raise
    if out.exists():
        return json.loads(out.read_text("utf-8"))
    reason = f"ended with exit code {process.returncode}: {said}"
    return {"name": name, "status": "failed", "reason": reason}


def end(process):
    """A check and all that it has started, which would run beside the next one.

    Processes that measure lead groups of their own, so each is looked for by its
    parent as long as that is known (Linux).
    """
    for number in (*descendants(process.pid), process.pid):
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def descendants(number):
    """Processes that a process has started, and those that these have."""
    found = []
    for children in Path(f"/proc/{number}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def use_bundle():
    """The folder of what the bundle holds, where there is one that fits."""
    if not BUNDLE.is_dir():
        return []
    bundle = runpy.run_path(str(BUNDLE / "unpack.py"))
    why = bundle["unfit"]()
    if why:
        print(f"build/gpu-bundle is not used: {why}", file=sys.stderr)
        return []
    bundle["unpack"](UNPACKED)
    return [str(UNPACKED)]


def exit_code(rows, why):
    """Of these rows; ``why`` there is no GPU, empty where there is one."""
    if why:
        print(f"nothing ran: {why}", file=sys.stderr)
        return 3
    if not any(row["status"] == "ok" for row in rows):
        print("nothing ran: see the reasons above", file=sys.stderr)
        return 1
    return int(any(row["status"] == "failed" for row in rows))


def main(words):
    sys.path.insert(0, str(ROOT))
    unpacked = use_bundle()
    sys.path += unpacked
    path = [str(ROOT), *unpacked]
    from resgen.kit.script.cuda import cudart_files, find_cuda

    cuda, why = find_cuda(cudart_files())
    report = {
        "resgen_gpu_report": 1,
        "started": datetime.now(timezone.utc).isoformat(),
        "machine": describe(cuda),
        "checks": [],
    }
    path += filter(None, [os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    sys.path.insert(0, str(HERE))
    from checks import CHECKS

    names = [name for name in CHECKS if not words or any(w in name for w in words)]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if cuda is None:
                row = {"name": name, "status": "skipped", "reason": why}
            else:
                row = run_apart(name, folder, environment)
            report["checks"].append(row)
            print(f"{row['status']:8} {name}  {row.get('reason', '')}", flush=True)
    target = Path(os.environ.get("GPU_REPORT") or ROOT / "build" / "gpu-report.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    aside.replace(target)
    print(f"wrote {target}")
    return exit_code(report["checks"], why if cuda is None else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
