"""What is built, run, verified and timed on a GPU; `report.py` runs each by its name.

    python tests/gpu/checks.py NAME OUT

writes what was found to the JSON file OUT. One process a check, so that one that
crashes takes no other with it. Nothing here needs pytest: a GPU machine may lack it.
Every result holds how far outputs are from PyTorch's float32 on the CPU, as a share of
their range, and raw times in milliseconds.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

NETWORKS = ("resnet20_cifar", "resnet50")
BATCH = 8
RUNS = 100
PROVIDER = "CUDAExecutionProvider"
DEVICE = "cuda:0"
#: How far a low type may be off, as a share of the output's range: a plausible bound
#: for fresh weights, which is far below what a wrong network gives.
TOLERANCES = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 1e-2, "bf16": 1e-1}
#: The least compute capability whose tensor cores take a type.
LEAST = {"bf16": (8, 0), "fp8": (8, 9)}


class Skip(Exception):
    """The check cannot run here, and why."""


class Failed(Exception):
    """The device computes something else, or not at all."""


# --- what all checks use --------------------------------------------------------------


def network(name):
    """The graph, its module (fresh weights), an input and the output on the CPU."""
    import torch

    import resgen

    graph = resgen.expand(resgen.load(name))
    module = resgen.to_torch(graph).eval()
    kind = graph.inputs[0].type
    shape = (BATCH, kind.channels, *kind.spatial)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        y = module(torch.from_numpy(x)).numpy()
    return graph, module, x, y


def write_onnx(name, module, folder):
    import resgen

    out = Path(folder) / name
    resgen.build(resgen.load(name), out, state_dict=module.state_dict(), verify=False)
    return out / "model.onnx"


def distance(found, expected, precision):
    """The largest difference as a share of the range, which has to be small."""
    share = float(np.abs(found - expected).max() / np.ptp(expected))
    if not share <= TOLERANCES[precision]:
        raise Failed(
            f"the output is {share:.1e} of its range off (allowed "
            f"{TOLERANCES[precision]:.0e})"
        )
    return {"share_of_range": share, "tolerance": TOLERANCES[precision]}


def cuda():
    if importlib.util.find_spec("torch") is None:
        raise Skip("PyTorch is not installed")
    import torch

    if not torch.cuda.is_available():
        raise Skip("this PyTorch sees no GPU")
    # float32 is to mean float32 where outputs are compared with the CPU's.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch


def event_times(torch, work):
    """Milliseconds of each run between CUDA events, after a warm-up."""
    for _ in range(10):
        work()
    torch.cuda.synchronize()
    times = []
    for _ in range(RUNS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return times


# --- training -------------------------------------------------------------------------


def trained(name):
    """A few steps with bfloat16 on the GPU, the others in float32 on the CPU."""
    cuda()
    import resgen
    from resgen.diagnosis.data.gather import gather
    from resgen.diagnosis.training.options import Options, Trainee
    from resgen.diagnosis.training.train import train

    if importlib.util.find_spec("sklearn") is None:
        raise Skip("scikit-learn, which has the digits, is not installed")
    spec = resgen.load(name)
    graph = resgen.expand(spec)
    data = gather("digits", graph, spec.preprocess)
    data.held_back = data.held_back[:BATCH]
    trainees = [Trainee(name, graph, ())]
    plain = Options(steps=6, batch=BATCH, rate=0.02)
    mixed = Options(steps=6, batch=BATCH, rate=0.02, device=DEVICE, mixed=True)
    wanted = train(trainees, data, plain).runs[0][0].losses
    with tempfile.TemporaryDirectory() as folder:
        train(trainees, data, mixed, folder=Path(folder), until=4)
        found = train(trainees, data, plain, folder=Path(folder), resume=True)
    # As a share of what is lost, not of how much it changes in a few steps.
    losses = [0, *found.runs[0][0].losses]
    return distance(np.array(losses), np.array([0, *wanted]), "bf16")


# --- PyTorch --------------------------------------------------------------------------


def torch_eager(name, precision):
    torch = cuda()
    _, module, x, y = network(name)
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    module = module.cuda().to(dtype[precision])
    given = torch.from_numpy(x).cuda().to(dtype[precision])
    with torch.no_grad():
        found = module(given).float().cpu().numpy()
        times = event_times(torch, lambda: module(given))
    return {**distance(found, y, precision), "device_ms": times}


def torch_cuda_graph(name):
    """One launch for the whole network; replays see what the input holds by then."""
    torch = cuda()
    _, module, x, y = network(name)
    module = module.cuda()
    given = torch.zeros(x.shape, device="cuda")
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                module(given)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = module(given)
        given.copy_(torch.from_numpy(x))
        graph.replay()
        found = output.cpu().numpy()
        times = event_times(torch, graph.replay)
    return {**distance(found, y, "fp32"), "device_ms": times}


def torch_compile(name):
    torch = cuda()
    _, module, x, y = network(name)
    module = module.cuda()
    given = torch.from_numpy(x).cuda()
    try:
        compiled = torch.compile(module, fullgraph=True)
        begin = time.perf_counter()
        with torch.no_grad():
            found = compiled(given).cpu().numpy()
        seconds = time.perf_counter() - begin
        with torch.no_grad():
            times = event_times(torch, lambda: compiled(given))
    except Exception as error:  # the compiler's own, of many types
        if "triton" in str(error).lower() or "compiler" in str(error).lower():
            raise Skip(f"torch.compile does not work here: {error}") from error
        raise
    return {
        **distance(found, y, "fp32"), "compile_seconds": seconds, "device_ms": times,
    }  # fmt: skip


# --- ONNX Runtime ---------------------------------------------------------------------


def onnxruntime_cuda(name):
    if importlib.util.find_spec("onnxruntime") is None:
        raise Skip("ONNX Runtime is not installed")
    import onnxruntime

    from resgen.runtime.onnxruntime import OnnxRuntimeSession

    if PROVIDER not in onnxruntime.get_available_providers():
        raise Skip(f"this ONNX Runtime has no {PROVIDER}")
    _, module, x, y = network(name)
    with tempfile.TemporaryDirectory() as folder:
        file = write_onnx(name, module, folder)
        with OnnxRuntimeSession(file, provider=PROVIDER) as session:
            (key,) = session.inputs
            (found,) = session.run({key: x}).values()
            times = []
            for _ in range(RUNS):
                begin = time.perf_counter()
                session.run({key: x})
                times.append(1e3 * (time.perf_counter() - begin))
    # The provider computes float32 convolutions with TF32 unless told otherwise.
    return {**distance(found, y, "tf32"), "end_to_end_ms": times}


# --- TensorRT -------------------------------------------------------------------------


def run_kit(folder, *arguments):
    """Run a kit's script, and return its result."""
    script = [sys.executable, str(Path(folder) / "build_and_time.py"), *arguments]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    said = (done.stderr or done.stdout).strip()
    if done.returncode == 3 and "does not load" not in said:
        raise Skip(said)
    if done.returncode:
        raise Failed(said)
    return json.loads((Path(folder) / "result.json").read_text("utf-8"))


def tensorrt_kit(name, flavor):
    """What somebody does who carries a kit to a device."""
    from resgen.kit.write import Trial, write_kit

    module_name = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}[flavor]
    if importlib.util.find_spec(module_name) is None:
        raise Skip(f"{module_name} is not installed")
    torch = cuda()
    _, module, x, y = network(name)
    major, minor = torch.cuda.get_device_capability()
    with tempfile.TemporaryDirectory() as folder:
        file = write_onnx(name, module, folder)
        kit = Path(folder) / "kit"
        sizes = tuple((n, *x.shape[1:]) for n in (1, BATCH, 2 * BATCH))
        write_kit(
            file,
            kit,
            Trial(
                name=name,
                precision="fp32",
                inputs={"input": x},
                expected={"output": y},
                tolerance=TOLERANCES["fp32"],
                metadata={},
            ),
            target=f"sm_{major}{minor}",
            profiles=[{"input": sizes}],
        )
        return run_kit(kit, "--flavor", flavor, "--runs", str(RUNS))


def tensorrt_target(precision="fp32"):
    """This GPU as ``--target`` takes it, where TensorRT can build for it."""
    if not any(map(importlib.util.find_spec, ("tensorrt", "tensorrt_rtx"))):
        raise Skip("TensorRT is not installed")
    capability = cuda().cuda.get_device_capability()
    if capability < LEAST.get(precision, (0, 0)):
        raise Skip(f"no {precision} on compute capability {capability}")
    return "sm_{}{}".format(*capability)


def tensorrt_export(name, precision, *options):
    """`resgen export` for this GPU, then `resgen verify`, or the kit that it wrote."""
    target = tensorrt_target(precision)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        options = (*options, *calibrated(name, precision, folder))
        exported = resgen_command(
            "export", name, "--to", "tensorrt", "--precision", precision,
            "--target", target, "-o", str(out), "--json", *options,
        )  # fmt: skip
        if list(out.rglob("model.engine")):
            verified = json.loads(resgen_command("verify", str(out), "--json"))
            if verified["engine"] is None:  # verify goes on where it cannot run one
                raise Failed("the engine was not run on this GPU")
            return {"export": json.loads(exported), "verify": verified}
        (kit,) = out.rglob("kit.json")
        return {"export": json.loads(exported), "result": run_kit(kit.parent)}


def calibrated(name, precision, folder):
    """Inputs that the ranges of a quantised network come from."""
    if precision not in ("int8", "fp8"):
        return ()
    import resgen

    shape = resgen.load(name).input
    path = Path(folder) / "calibration.npz"
    normal = np.random.default_rng(1).normal(size=(16, *shape))
    np.savez(path, input=normal.astype(np.float32))
    return "--calibration", str(path)


def tensorrt_camera(name):
    """A picture as a camera gives it, prepared within the engine."""
    return tensorrt_export(name, "fp16", "--camera", "480x640")


def tensorrt_profiles(name):
    """Two profiles in one engine, and a batch of each on the device."""
    from resgen.runtime.tensorrt import TensorRtSession

    target = tensorrt_target()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        resgen_command(
            "export", name, "--to", "tensorrt", "--target", target, "-o", str(out),
            "--profile", "1,1,1", "--profile", f"2,{BATCH},{BATCH}",
        )  # fmt: skip
        if not list(out.rglob("model.engine")):
            raise Skip("nothing here builds for this GPU")
        _, _, x, _ = network(name)
        with TensorRtSession(out / "model.engine") as session:
            rows = {}
            for n in (1, BATCH, 1):
                (rows[n],) = session.run({"input": x[:n]}).values()
        return distance(rows[BATCH][:1], rows[1], "fp32")


def profiled(name, runtime, precision, mode):
    """`resgen profile` of a network on CUDA, and what its report says."""
    cuda()
    if runtime == "tensorrt":
        tensorrt_target(precision)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        options = ("--precision", precision) if precision != "fp32" else ()
        resgen_command(
            "profile", name, "--runtime", runtime, "--device", DEVICE, "--mode", mode,
            "--batch", str(BATCH), "--time", "3", "-o", str(out), *options,
        )  # fmt: skip
        (run,) = json.loads((out / "report.json").read_text("utf-8"))["runs"]
    if run.get("error"):
        raise Failed(run["error"])
    if not run["throughput"] > 0:
        raise Failed("nothing got through")
    layers = (run.get("breakdown") or {}).get("operators") or []
    if runtime == "tensorrt" and mode == "compute":
        if not layers:
            raise Failed(f"no layer has a time: {run['notes']}")
        if not run["settings"]["cuda_graph"]:
            raise Failed(f"it is in no CUDA graph: {run['notes']}")
    return {
        "settings": run["settings"],
        "notes": run["notes"],
        "layers": len(layers),
        "throughput": run["throughput"],
        "median": run["summary"]["median"],
    }


def compared(name, runtime):
    """`resgen compare` of a network with itself, which is not to be told apart."""
    cuda()
    if runtime == "tensorrt":
        tensorrt_target()
    told = resgen_command(
        "compare", name, name, "--runtime", runtime, "--device", DEVICE,
        "--time", "30", "--json",
    )  # fmt: skip
    found = json.loads(told)
    if found["verdict"] not in ("equal", "undecided"):
        raise Failed(f"a network is {found['verdict']} than itself")
    return {"verdict": found["verdict"]}


def resgen_command(*arguments):
    command = [sys.executable, "-m", "resgen", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        raise Skip(done.stderr.strip())
    if done.returncode:
        raise Failed(f"resgen {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


CHECKS = {
    f"{check.__name__}-{'-'.join((name, *more))}": partial(check, name, *more)
    for check, options in (
        (torch_eager, [("fp32",), ("fp16",), ("bf16",)]),
        (torch_cuda_graph, [()]),
        (torch_compile, [()]),
        (onnxruntime_cuda, [()]),
        (tensorrt_kit, [("tensorrt",), ("rtx",)]),
        (
            tensorrt_export,
            [("fp32",), ("fp16",), ("bf16",), ("int8",), ("fp8",)],
        ),
        (tensorrt_camera, [()]),
        (tensorrt_profiles, [()]),
        (
            profiled,
            [
                ("torch", "fp32", "compute"), ("torch", "fp32", "throughput"),
                ("tensorrt", "fp16", "compute"), ("tensorrt", "fp16", "throughput"),
                ("tensorrt", "fp16", "end-to-end"),
            ],
        ),
        (compared, [("torch",), ("tensorrt",)]),
    )
    for more in options
    for name in NETWORKS
}  # fmt: skip
CHECKS["trained-resnet20_cifar"] = partial(trained, "resnet20_cifar")


def run(name):
    """A row of the report: the check's name, its status and what it found."""
    begin = time.perf_counter()
    row = {"name": name}
    try:
        row.update(status="ok", found=CHECKS[name]())
    except Skip as skip:
        row.update(status="skipped", reason=str(skip))
    except Exception as error:
        row.update(status="failed", reason=f"{type(error).__name__}: {error}")
    row["seconds"] = time.perf_counter() - begin
    return row


if __name__ == "__main__":
    target = Path(sys.argv[2])
    aside = target.with_suffix(".part")
    aside.write_text(json.dumps(run(sys.argv[1])), "utf-8")
    shutil.move(aside, target)
