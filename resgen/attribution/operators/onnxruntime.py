"""ONNX Runtime's profile of an ONNX file, on the processor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.attribution.attribute import CONVERSION
from resgen.attribution.operators.covers import Cover, covers
from resgen.attribution.operators.typical import typical
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.onnxfile.paths import node_names
from resgen.onnxfile.stored import read_stored
from resgen.records.profile import OperatorTime
from resgen.runtime.base import Array, reason
from resgen.runtime.onnxruntime import CPU, load_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto

#: How the profile calls what a node took.
_SUFFIX: Final = "_kernel_time"


def profile_onnxruntime(
    model: Path,
    feeds: Mapping[str, Array],
    *,
    threads: int | None = None,
    runs: int = 10,
    warm_up: int = 2,
) -> tuple[OperatorTime, ...]:
    """Every kernel that runs, in the order in which they run, with its typical time.

    ``nodes`` are the nodes of the file that it computes, and ``bytes`` what it reads
    and writes, as the engine counts them. Times are of ``runs`` inferences after
    ``warm_up`` others, under the profiler, whose clock ticks in microseconds. A file
    that does not load or run is a :class:`~resgen.errors.ResgenError`.
    """
    runtime = load_onnxruntime("its operators cannot be timed")
    with temporary_folder() as scratch:
        try:
            named = _named(model, scratch)
            fused, final, events = _run(
                runtime, named, feeds, scratch, threads, runs + warm_up
            )
        except Exception as error:  # the runtime's exceptions have no common base
            raise ResgenError(
                f"ONNX Runtime does not profile {model}: {reason(error)}"
            ) from error
        files = (named, fused, final)
        computed = covers(*(read_stored(file).model.graph for file in files))
    return _times(events, computed, runs, warm_up)


def _run(
    runtime: Any,
    model: Path,
    feeds: Mapping[str, Array],
    scratch: Path,
    threads: int | None,
    runs: int,
) -> tuple[Path, Path, list[dict[str, Any]]]:
    """Files of the graph before and after layouts changed, and the profile's events."""
    levels = runtime.GraphOptimizationLevel
    files = []
    for name, level in (
        ("fused", levels.ORT_ENABLE_EXTENDED),
        ("final", levels.ORT_ENABLE_ALL),
    ):
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = level
        if threads is not None:
            options.intra_op_num_threads = threads
        stage = scratch / name
        stage.mkdir()
        files.append(_written(stage, options))
        if name == "final":
            options.enable_profiling = True
            options.profile_file_prefix = str(scratch / "profile")
        session = runtime.InferenceSession(str(model), options, providers=[CPU])
    for _ in range(runs):
        session.run(None, dict(feeds))
    profile = Path(session.end_profiling())
    events: list[dict[str, Any]] = json.loads(profile.read_text("utf-8"))
    return files[0], files[1], events


def _written(stage: Path, options: Any) -> Path:
    """The file in ``stage`` that a session with these options writes its graph to.

    The weights go into a file of their own, since one message holds 2 GiB at most.
    """
    model = stage / "model.onnx"
    options.optimized_model_filepath = str(model)
    prefix = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{prefix}_file_name", "model.onnx.data")
    options.add_session_config_entry(f"{prefix}_min_size_in_bytes", "1024")
    return model


def _named(model: Path, scratch: Path) -> Path:
    """The model itself, or one whose nodes all have names of their own.

    ONNX Runtime's profile knows nodes by name alone.
    """
    import onnx

    graph = read_stored(model).model.graph
    names = node_names(graph)
    if names == [node.name for node in graph.node]:
        return model
    loaded: ModelProto = onnx.load(str(model))
    for name, node in zip(names, loaded.graph.node, strict=True):
        node.name = name
    path = scratch / "named.onnx"
    onnx.save(loaded, str(path), save_as_external_data=True, location="named.data")
    return path


def _times(
    events: list[dict[str, Any]], computed: Mapping[str, Cover], runs: int, warm_up: int
) -> tuple[OperatorTime, ...]:
    seen: Counter[str] = Counter()
    spent: dict[str, list[float]] = {}
    last: dict[str, dict[str, Any]] = {}
    for event in events:
        name = str(event.get("name", "")).removesuffix(_SUFFIX)
        # Nodes of a branch or a loop are within the time of the node that holds them.
        if event.get("name") == name or name not in computed:
            continue
        seen[name] += 1
        if seen[name] > warm_up:
            spent.setdefault(name, []).append(event["dur"] * 1e-6)
            last[name] = event["args"]
    return tuple(
        _operator(name, typical(seconds, runs), last[name], computed[name])
        for name, seconds in spent.items()
    )


def _operator(
    name: str, seconds: float, args: Mapping[str, Any], cover: Cover
) -> OperatorTime:
    moved = ("activation_size", "parameter_size", "output_size")
    kind = str(args["op_name"])
    return OperatorTime(
        name=name,
        kind=kind,
        seconds=seconds,
        nodes=cover.nodes,
        role=CONVERSION if cover.conversion else None,
        bytes=sum(int(args[key]) for key in moved) if moved[0] in args else None,
    )
