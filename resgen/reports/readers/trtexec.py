"""What ``trtexec`` exports: times, profile and layer information, of one engine.

``--exportTimes`` is an array of objects with ``startComputeMs``, ``computeMs``,
``latencyMs`` and so on (the host's clock for starts, the device's for durations);
``--exportProfile`` an array of ``{"count": N}`` and a layer each with ``averageMs``;
``--exportLayerInfo`` ``{"Layers": [...], "Bindings": [...]}`` (since TensorRT 11
``"I/O Tensors"``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.records.profile import Record, Run, Samples, Subject
from resgen.reports.readers.kit import timed
from resgen.reports.readers.network import charged, names_of
from resgen.words.numbers import stamp

Kind: TypeAlias = Literal["times", "profile", "layers"]
#: What a file is called in messages.
OPTIONS: Final[Mapping[Kind, str]] = {
    "times": "--exportTimes",
    "profile": "--exportProfile",
    "layers": "--exportLayerInfo",
}


#: What a figure of inputs a second means where nobody tells how many ran at once.
_NO_BATCH: Final = (
    "these files do not tell the batch, which is taken as 1: --exportLayerInfo with "
    "--profilingVerbosity=detailed tells it"
)


def kind_of(document: Any) -> Kind | None:
    """Which of trtexec's files this is, None if it is none."""
    if isinstance(document, dict) and "Layers" in document:
        return "layers"
    if not isinstance(document, list) or not document:
        return None
    first = document[0]
    if isinstance(first, dict) and "computeMs" in first:
        return "times"
    if isinstance(first, dict) and ("count" in first or "averageMs" in first):
        return "profile"
    return None


def read(files: Mapping[Kind, tuple[Path, Any]], network: Path | None) -> Record:
    """The record of one engine's files, of which any may be missing but not all.

    A file that is not as trtexec writes it is a ResgenError.
    """
    path = next(iter(files.values()))[0]
    if not {"times", "profile"} & files.keys():
        raise ResgenError(
            f"{path} describes layers, but there are no times",
            hint="add what trtexec --exportProfile=FILE or --exportTimes=FILE wrote",
        )
    layers = files["layers"][1] if "layers" in files else None
    names, parts = names_of(network)
    told = _batch(layers)
    batch = told or 1
    base = Run("tensorrt", "gpu", "as built", batch, "compute")
    if told is None:
        base = replace(base, notes=(*base.notes, _NO_BATCH))
    runs = _timed(*files["times"], base) if "times" in files else [base]
    if "profile" in files:
        from resgen.attribution.operators.tensorrt import from_trtexec

        breakdown = charged(
            from_trtexec(files["profile"][1], layers),
            names,
            source="trtexec --exportProfile",
            batch=batch,
        )
        runs[0] = replace(runs[0], breakdown=breakdown)
    name = path.stem if network is None else network.stem
    if name in ("spec", "model") and network is not None:
        name = network.resolve().parent.name
    return Record(
        subject=Subject(name, "trtexec", None, None, parts=parts),
        runs=tuple(runs),
        environment={"source": [OPTIONS[kind] for kind in files]},
        command=(),
        created=stamp(path.stat().st_mtime),
        resgen=__version__,
    )


def _timed(path: Path, rows: Sequence[Mapping[str, Any]], base: Run) -> list[Run]:
    """Device time, and what copies add where there were any."""
    try:
        compute = _samples(rows, "startComputeMs", "computeMs")
        runs = [timed(base, compute)]
        if any(row.get("h2dMs") or row.get("d2hMs") for row in rows):
            whole = _samples(rows, "startH2dMs", "latencyMs")
            runs.append(timed(replace(base, mode="end-to-end"), whole))
    except (KeyError, TypeError, ValueError) as error:
        raise ResgenError(
            f"{path} is not as trtexec --exportTimes writes it: "
            f"{type(error).__name__}: {error}",
            hint="take the file as it was written, or run trtexec again",
        ) from error
    return runs


def _samples(rows: Sequence[Mapping[str, Any]], at: str, took: str) -> Samples:
    first = float(rows[0][at])
    return Samples(
        at=tuple((float(row[at]) - first) / 1e3 for row in rows),
        seconds=tuple(float(row[took]) / 1e3 for row in rows),
    )


def _batch(layers: Any) -> int | None:
    """The first size of an input, as detailed layer information tells it.

    The engine's inputs stand under "I/O Tensors" since TensorRT 11.
    """
    try:
        listed = layers["Bindings"] if "Bindings" in layers else layers["I/O Tensors"]
        names = [t["Name"] if isinstance(t, dict) else t for t in listed]
        sizes = [
            tensor["Dimensions"][0]
            for layer in layers["Layers"]
            for tensor in layer["Inputs"]
            if tensor["Name"] in names
        ]
        return int(sizes[0]) if int(sizes[0]) > 0 else None  # -1 where it is open
    except (TypeError, KeyError, IndexError, ValueError):
        return None  # without detailed verbosity layers are names
