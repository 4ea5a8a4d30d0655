"""What a kit's script wrote on a device: ``result.json``, described in the script.

See ``resgen/kit/script/main.py`` and ``litert.py``, for TensorRT and for LiteRT.
Milliseconds become seconds; nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.records.profile import (
    Breakdown,
    Mode,
    Record,
    Run,
    Samples,
    Subject,
)
from resgen.reports.readers.network import charged, names_of

if TYPE_CHECKING:
    from resgen.attribution.names import Names

MARK: Final = "resgen_result"
VERSION: Final = 1
SOURCE: Final = "IProfiler, in a pass of its own"
#: Of ``columns``: which of a sample's figures a mode is about.
_MODES: Final[tuple[tuple[str, Mode, str], ...]] = (
    ("compute", "compute", "device_ms"),
    ("end_to_end", "end-to-end", "host_ms"),
    ("latency", "latency", "host_ms"),
)


def read(document: Mapping[str, Any], path: Path, network: Path | None) -> Record:
    """The record of a result; ``path`` is for messages.

    A result of a later version, or one that is not whole, is a ResgenError.
    """
    if document[MARK] != VERSION:
        raise ResgenError(
            f"{path} is of version {document[MARK]} of a kit's result; this is resgen "
            f"{__version__}, which reads version {VERSION}",
            hint="pip install --upgrade resgen",
        )
    names, parts = names_of(network)
    try:
        return _record(document, names, replace(_subject(document), parts=parts))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ResgenError(
            f"{path} is not as the kit's script writes it: {type(error).__name__}: "
            f"{error}",
            hint="take the file as it was written, or run the script again",
        ) from error


def _subject(document: Mapping[str, Any]) -> Subject:
    kit = document["kit"]
    timings = document["timings"]
    shapes = [next(iter(row["inputs"].values())) for row in timings]
    return Subject(
        name=kit["name"],
        kind="kit",
        sha256=document["file" if "litert" in document else "engine"]["sha256"],
        input=tuple(shapes[0][1:]) if shapes else None,
    )


def _record(
    document: Mapping[str, Any], names: Names | None, subject: Subject
) -> Record:
    machine = document["machine"]
    if "litert" in document:
        litert, script = document["litert"], "check_and_time.py"
        base = Run(
            runtime=f"litert {litert['version']}",
            device=machine["board"] or machine["processor"],
            precision=document["kit"]["precision"],
            batch=1,
            mode="latency",
            model_bytes=document["file"]["bytes"],
            load_seconds=document["file"]["load_seconds"],
        )
        told = {"litert": litert}
    else:
        trt, engine = document["tensorrt"], document["engine"]
        script = "build_and_time.py"
        base = Run(
            runtime=f"{trt['flavor']} {trt['version']}",
            device=machine.get("gpu") or "cuda:0",
            precision=document["kit"]["precision"],
            batch=1,
            mode="compute",
            model_bytes=engine["bytes"],
        )
        flags = {key: engine[key] for key in ("flags", "build_seconds")}
        told = {"tensorrt": trt, "engine": flags}
    runs = list(_runs(document, names, base))
    if document["status"] != "ok":
        why = f"{document['status']}: its outputs were refused, so it was not timed"
        runs.append(replace(base, error=why))
    return Record(
        subject=subject,
        runs=tuple(runs),
        environment={"machine": machine, **told},
        command=("python3", script),
        created=document["started"],
        resgen=document["kit"]["resgen"],
    )


def _runs(document: Mapping[str, Any], names: Names | None, base: Run) -> Iterator[Run]:
    columns = list(document["columns"])
    each = document.get("layer_times", ())
    layers = {row["profile"]: row["layers"] for row in each}
    for timing in document["timings"]:
        batch = int(next(iter(timing["inputs"].values()))[0])
        state = "state" if "litert" in document else "clocks"
        clocks = {end: timing[f"{state}_{end}"] for end in ("before", "after")}
        threads = {"threads": timing["threads"]} if "threads" in timing else {}
        for key, mode, column in _MODES:
            if key not in timing:
                continue
            samples = _samples(
                timing[key], columns.index("at_s"), columns.index(column)
            )
            run = replace(
                base, batch=batch, mode=mode, machine=clocks, settings=threads
            )
            run = timed(run, samples)
            told = layers.get(timing["profile"]) if mode == "compute" else None
            if told:
                breakdown = _breakdown(told, document.get("layers"), names, batch)
                run = replace(run, breakdown=breakdown)
            yield run


def _samples(rows: Sequence[Sequence[float]], at: int, took: int) -> Samples:
    first = rows[0][at]
    return Samples(
        at=tuple(float(row[at] - first) for row in rows),
        seconds=tuple(row[took] / 1e3 for row in rows),
    )


def timed(run: Run, samples: Samples) -> Run:
    """The run with samples, and all figures that follow from them."""
    from resgen.profiling.statistics.stats import summarize

    summary = summarize(samples)
    rate = run.batch / summary.median if summary.median else None
    return replace(run, samples=samples, summary=summary, throughput=rate)


def _breakdown(
    rows: Sequence[Mapping[str, Any]], layers: Any, names: Names | None, batch: int
) -> Breakdown:
    from resgen.attribution.operators.tensorrt import from_layers

    times = {row["name"]: median(row["ms"]) / 1e3 for row in rows}
    described = layers if isinstance(layers, dict) else None
    operators = from_layers(times, described)
    return charged(operators, names, source=SOURCE, batch=batch)
