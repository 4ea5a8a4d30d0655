"""An ONNX file becomes an engine.

TensorRT runs in a thread of its own while the calling one waits, so that an interrupt
is heard at once and ends the build instead of the process.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from resgen.errors import ResgenError
from resgen.machine.device import present
from resgen.tensorrt import layers
from resgen.tensorrt.api import (
    AheadOfTime,
    Builder,
    IBuilderConfig,
    INetworkDefinition,
    OnnxParser,
    TensorRT,
)
from resgen.tensorrt.flavor import load
from resgen.tensorrt.listening import Progress, logger_of, monitor_of, reasons
from resgen.tensorrt.profiles import Profile, resolve
from resgen.tensorrt.request import Built, EngineRequest
from resgen.tensorrt.targets import check_precisions, order

#: The place in the spec of an ONNX node, or None for a node that is not of a spec.
Locate = Callable[[str], "str | None"]

#: TensorRT's logger and its reasons are one for the whole process.
_ONE_AT_A_TIME: Final = threading.Lock()
#: Element types that some GPUs lack, by the names that TensorRT gives them.
_RARE: Final = {"BF16": "bf16", "FP8": "fp8"}


def nowhere(node: str) -> str | None:
    """The place of a node in a file that was not made from a spec."""
    return None


def build(
    onnx: Path,
    request: EngineRequest,
    *,
    locate: Locate = nowhere,
    progress: Progress = lambda done, steps: None,
    timing_cache: bytes = b"",
) -> Built:
    """Build an engine of ``onnx``; nothing is written.

    Where TensorRT refuses, a :class:`~resgen.errors.ResgenError` says in its words why,
    naming the operator and, through ``locate``, its place in the spec. An interrupt
    ends the build before it is raised again. ``timing_cache`` is that of an earlier
    build, used by flavours that measure kernels.
    """
    trt = load(request.flavor, "no engine can be built")
    stop = threading.Event()
    monitor = monitor_of(trt, progress, stop)

    def work() -> Built:
        with _ONE_AT_A_TIME:
            return _Building(trt, onnx, request, locate, monitor).run(timing_cache)

    return _interruptible(work, stop)


def _interruptible(work: Callable[[], Built], stop: threading.Event) -> Built:
    results: list[Built] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised by the waiting thread
            failures.append(error)

    worker = threading.Thread(target=run, name="tensorrt")
    worker.start()
    try:
        while worker.is_alive():
            worker.join(1.0)  # Windows hears no interrupt in a wait without an end
    except BaseException:
        stop.set()
        worker.join()
        raise
    if failures:
        raise failures[0]
    return results[0]


#: TensorRT for RTX (1.7) has no kernel for each size of heads, precision and GPU.
OLDER: Final = (
    "opset 22 and older have attention as products of matrices, which it runs"
)


class _Building:
    """One build; holds everything of TensorRT's that has to outlive its use."""

    def __init__(
        self,
        trt: TensorRT,
        onnx: Path,
        request: EngineRequest,
        locate: Locate,
        monitor: Any,
    ) -> None:
        self.trt = trt
        self.onnx = onnx
        self.request = request
        self.locate = locate
        self.monitor = monitor
        self.logger, self.log = logger_of(trt)

    def run(self, timing_cache: bytes) -> Built:
        trt, name = self.trt, self.request.flavor.name
        self.log.clear()
        try:
            builder = trt.Builder(self.logger)
        except (RuntimeError, TypeError) as error:  # pybind's, for what returns null
            raise ResgenError(f"{name} does not start: {self.log.why()}") from error
        # TensorRT 10 has to be told that types are those of the file; 11 knows no else.
        strongly = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        network = builder.create_network(0 if strongly is None else 1 << int(strongly))
        parser = trt.OnnxParser(network, self.logger)
        if not parser.parse_from_file(str(self.onnx)):
            raise self._refusal(parser)
        check_precisions(_rare_types(network), self.request.targets)
        config, profiles = self._configure(builder, network, self.request.targets)
        measures = not hasattr(config, "set_compute_capability")
        if measures:
            _use_timings(config, timing_cache)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise self._failure()
        return Built(
            engine=engine,
            timing_cache=_timings(config) if measures else None,
            version=trt.__version__,
            profiles=profiles,
            layers=self._layers(engine, builder, network, profiles),
        )

    def _configure(
        self, builder: Builder, network: INetworkDefinition, targets: Sequence[str]
    ) -> tuple[IBuilderConfig, tuple[Profile, ...]]:
        trt, request = self.trt, self.request
        config = builder.create_builder_config()
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        config.progress_monitor = self.monitor
        # Memory that is allocated while an engine runs keeps it out of a CUDA graph.
        if request.flavor.ahead:
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
        if not request.flags["tf32"]:
            config.clear_flag(trt.BuilderFlag.TF32)
        if request.workspace is not None:
            pool = trt.MemoryPoolType.WORKSPACE
            config.set_memory_pool_limit(pool, request.workspace)
        if request.level is not None:
            config.builder_optimization_level = request.level
        if hasattr(config, "set_compute_capability"):
            self._set_targets(cast(AheadOfTime, config), targets)
        inputs = {}
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            inputs[tensor.name] = [None if n < 0 else n for n in tensor.shape]
        profiles = resolve(request.profiles, inputs)
        for profile in profiles:
            wanted = builder.create_optimization_profile()
            for name, sizes in profile.items():
                wanted.set_shape(name, *sizes)
            if config.add_optimization_profile(wanted) < 0:
                raise ResgenError(
                    f"{request.flavor.name} refuses the profile {profile}: "
                    f"{self.log.why()}"
                )
        return config, profiles

    def _set_targets(self, config: AheadOfTime, targets: Sequence[str]) -> None:
        known = self.trt.ComputeCapability.__members__
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            name = target.replace("sm_", "SM")
            if name not in known or not config.set_compute_capability(
                known[name], index
            ):
                able = (n.replace("SM", "sm_") for n in known if n.startswith("SM"))
                raise ResgenError(
                    f"{self.request.flavor.name} {self.trt.__version__} does not build "
                    f"for {target}",
                    hint=f"it builds for {', '.join(able)}",
                )

    def _refusal(self, parser: OnnxParser) -> ResgenError:
        lines = []
        for index in range(parser.num_errors):
            error = parser.get_error(index)
            node, operator = error.node_name(), error.node_operator()
            place = self.locate(node) if node else None
            where = f"{node} ({operator})" if node else "the file"
            why = [line for line in reasons(error.desc()) if "Invalid Node" not in line]
            lines.append(f"{where}: {'; '.join(why) or 'refused'}")
            if place is not None:
                lines.append(f"  at {place}")
        told = "\n".join(lines) or self.log.why()
        return ResgenError(
            f"{self.request.flavor.name} refuses {self.onnx}:\n{told}",
            hint=OLDER if "(Attention)" in told else None,
        )

    def _failure(self) -> ResgenError:
        why = self.log.why()
        named = re.search(r"operation '([^']+)'", why)
        place = self.locate(named[1]) if named else None
        hint = None
        if "FP32 GEMM is not supported" in why:
            hint = "leave sm_75 out, or export fp16 for it"
        elif "Attention operation" in why:
            hint = OLDER
        return ResgenError(
            f"{self.request.flavor.name} built no engine of {self.onnx}: {why}"
            + (f"\n  at {place}" if place else ""),
            hint=hint,
        )

    def _layers(
        self,
        engine: Any,
        builder: Builder,
        network: INetworkDefinition,
        profiles: Sequence[Profile],
    ) -> dict[str, Any]:
        """From the engine itself where it loads here, else from the builder's log.

        Of an engine for several targets the log describes the lowest one's part, and
        others may compute in other types, so each is built alone to be described.
        """
        batch = next((span[1][0] for p in profiles for span in p.values()), 1)
        here = present()
        if here is not None:
            runtime = self.trt.Runtime(self.logger)
            loaded = runtime.deserialize_cuda_engine(engine)
            if loaded is not None:
                form = self.trt.LayerInformationFormat.ONELINE
                text = loaded.create_engine_inspector().get_engine_information(form)
                return layers.describe(text, "engine inspector", here.capability, batch)
        first, *more = sorted(self.request.targets, key=order)
        found = layers.describe(self.log.layers, "build log", first, batch)
        for target in more:
            self.log.clear()
            config, _ = self._configure(builder, network, (target,))
            if builder.build_serialized_network(network, config) is None:
                raise self._failure()
            others = found.setdefault("others", [])
            others.append(layers.describe(self.log.layers, "build log", target, batch))
        return found


def _rare_types(network: INetworkDefinition) -> tuple[str, ...]:
    """Precisions that occur in a network and that not every GPU has."""
    found = set()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in range(layer.num_outputs):
            found.add(_RARE.get(layer.get_output(output).dtype.name))
    return tuple(sorted(filter(None, found)))


def _use_timings(config: IBuilderConfig, timings: bytes) -> None:
    """Begin with earlier measurements, or anew where TensorRT does not take them."""
    for content in (timings, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _timings(config: IBuilderConfig) -> bytes:
    return bytes(config.get_timing_cache().serialize())
