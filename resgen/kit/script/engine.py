"""TensorRT: from the ONNX file to an engine that is loaded."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from resgen.kit.script.files import Stop

FLAVORS = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}
#: The first full TensorRT whose networks have the types that the file says.
OLDEST = 10


def load_tensorrt(flavor: str | None) -> Any:
    """TensorRT's module: the asked one, or the first that is installed."""
    wanted = [FLAVORS[flavor]] if flavor else list(FLAVORS.values())
    for name in wanted:
        if importlib.util.find_spec(name) is None:
            continue
        try:
            trt = importlib.import_module(name)
        except Exception as error:  # whatever a broken installation raises
            raise Stop(3, f"{name} does not load: {error}") from None
        version = str(getattr(trt, "__version__", "0"))
        if name == FLAVORS["tensorrt"] and int(version.split(".")[0]) < OLDEST:
            raise Stop(3, f"TensorRT {version} is here, and this needs {OLDEST} or "
                          "newer (on a Jetson: JetPack 6.1 or newer)")  # fmt: skip
        return trt
    packages = " or ".join(f"pip install {n.replace('_', '-')}" for n in wanted)
    raise Stop(3, f"TensorRT is not installed: {packages}")


def make_logger(trt: Any) -> Any:
    """A logger whose ``said`` lists the errors; TensorRT itself only returns None."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            worst = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)
            # Without a GPU every message is followed by one about CUDA error 35.
            if severity in worst and "error code: 35" not in message:
                self.said.append(" ".join(message.split()))

    return Logger()


def build(
    trt: Any, logger: Any, folder: Path, kit: dict[str, Any], capability: str | None
) -> tuple[Any, dict[str, Any]]:
    """The serialised engine, and the flags that it was built with."""

    def failed(what: str) -> Stop:
        return Stop(1, f"{what}: {'; '.join(logger.said) or 'TensorRT says nothing'}")

    try:
        builder = trt.Builder(logger)
    except Exception as error:  # pybind's own, of several types
        raise Stop(3, f"TensorRT cannot start: {logger.said or error}") from None
    # TensorRT 10 needs to be told that types are those of the file; later it is so.
    strongly = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if strongly is None else 1 << int(strongly))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(folder / kit["onnx"])):
        raise Stop(1, "TensorRT refuses the ONNX file:\n" + parser_errors(parser))
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    flags: dict[str, Any] = {
        "strongly_typed": strongly is not None, "tf32": kit["tf32"],
        "workspace_bytes": kit["workspace"], "optimization_level": kit["level"],
        "profiling_verbosity": "detailed", "compute_capabilities": None,
    }  # fmt: skip
    if kit["workspace"] is not None:
        workspace = trt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(workspace, kit["workspace"])
    if kit["level"] is not None:
        config.builder_optimization_level = kit["level"]
    if not kit["tf32"]:
        config.clear_flag(trt.BuilderFlag.TF32)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        # Memory that is allocated while it runs keeps an engine out of a CUDA graph.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if hasattr(config, "set_compute_capability"):
        flags["compute_capabilities"] = choose_targets(trt, config, kit, capability)
    for entry in kit["profiles"]:
        profile = builder.create_optimization_profile()
        for name, sizes in entry.items():
            profile.set_shape(name, *(tuple(sizes[k]) for k in ("min", "opt", "max")))
        if config.add_optimization_profile(profile) < 0:
            raise failed(f"TensorRT refuses the profile {entry}")
    blob = builder.build_serialized_network(network, config)
    if blob is None:
        raise failed("TensorRT built no engine")
    return blob, flags


def choose_targets(
    trt: Any, config: Any, kit: dict[str, Any], capability: str | None
) -> list[str] | None:
    """For TensorRT for RTX: the present GPU, or without one what the kit is for.

    None leaves the choice to TensorRT, which does not know every GPU by name.
    """
    known = trt.ComputeCapability.__members__
    here = (capability or kit["target"]).replace("sm_", "SM").split(",")
    wanted = [name.strip() for name in here if name.strip() in known]
    config.num_compute_capabilities = len(wanted)
    for index, name in enumerate(wanted):
        if not config.set_compute_capability(known[name], index):
            raise Stop(1, f"TensorRT for RTX does not build for {name}")
    return wanted or None


def parser_errors(parser: Any) -> str:
    """What the parser has against the file: operator, node and reason."""
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        where = f"{error.node_operator()} {error.node_name()}".strip()
        lines.append(f"  {where or 'the file'}: {error.desc()}")
    return "\n".join(lines)


def load_engine(trt: Any, logger: Any, blob: Any) -> tuple[Any, Any]:
    """Engine and runtime; the latter has to live as long as the engine."""
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(blob)
    if engine is None:
        said = "; ".join(logger.said) or "TensorRT does not say why"
        raise Stop(3, f"the engine was built but does not load on this GPU: {said}")
    return engine, runtime


def new_context(trt: Any, engine: Any) -> Any:
    """A context; of TensorRT for RTX one that compiles kernels before it runs.

    Else it would compile them beside the runs, which take slower ones meanwhile.
    """
    strategies = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
    if strategies is None:
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return engine.create_execution_context(runtime_config=config)
