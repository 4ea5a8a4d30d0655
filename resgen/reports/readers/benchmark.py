"""What LiteRT's ``benchmark_model`` printed on a phone, beside the file that it ran.

It tells a mean and the times of operators, and no samples: see
``tensorflow/lite/tools/benchmark`` and ``profile_summarizer`` for what it prints.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.records.profile import Record, Run, Subject
from resgen.reports.readers.network import beside, charged, names_of
from resgen.words.numbers import stamp

if TYPE_CHECKING:
    from resgen.attribution.operators.litert import Event

#: Where the operators of the runs are told, and where the same are told in order.
_PROFILE: Final = "Operator-wise Profiling Info for Regular Benchmark Runs"
_ORDER: Final = re.compile(r"=+ Run Order =+\n(.*?)(?:\n\s*\n|\Z)", re.S)
_COUNT: Final = re.compile(
    r"count=(\d+) first=\S+ curr=\S+ min=(\S+) max=(\S+) avg=(\S+)"
)
_GRAPH: Final = re.compile(r"^Graph: \[(.+)\]$", re.M)
_THREADS: Final = re.compile(r"Num threads: \[(\d+)\]|CPU inference: \[(\d+)\]")

_SHAPES: Final = re.compile(r"^Input shapes: \[(\d+)", re.M)


def read(text: str, path: Path, network: Path | None) -> Record:
    """The record of a run; the LiteRT file that it was of lies beside ``path``.

    Blocks are charged where a spec lies beside the text or a folder above, or is given
    as ``network``. What is not as the program prints it is a ResgenError.
    """
    from resgen.files.hashed import sha256_of

    runs = _COUNT.findall(text)
    graph = _GRAPH.search(text)
    if not runs or graph is None:
        raise ResgenError(f"{path} is not what benchmark_model prints")
    file = path.parent / Path(graph[1]).name
    if not file.is_file():
        raise ResgenError(
            f"{file}, which {path} is of, is not there",
            hint="put the text beside the file that it is of, as in a kit's folder",
        )
    number, least, most, mean = runs[-1]  # those before warm up
    threads, shapes = _THREADS.search(text), _SHAPES.search(text)
    batch = 1 if shapes is None else int(shapes[1])
    run = Run(
        runtime="litert benchmark_model",
        device="phone",
        precision="as built",
        batch=batch,
        mode="latency",
        settings={} if threads is None else {"threads": int(threads[1] or threads[2])},
        model_bytes=file.stat().st_size,
        notes=(
            f"the mean of {number} runs is {float(mean) / 1e3:.3f} ms, from "
            f"{float(least) / 1e3:.3f} to {float(most) / 1e3:.3f}; benchmark_model "
            "tells no samples",
        ),
    )
    network = network or beside(path) or beside(path.parent)
    names, parts = names_of(network)
    found = _ORDER.search(text, max(text.find(_PROFILE), 0))
    if _PROFILE in text and found is not None:
        from resgen.attribution.operators.litert import matched, operators_of

        operators = operators_of(file)
        events = _events(found[1], path, len(operators))
        times = matched(operators, events, file.name)
        run = replace(
            run,
            breakdown=charged(times, names, source="benchmark_model", batch=batch),
        )
    name = path.resolve().parent.name if network is None else network.stem
    if network is not None and name in ("spec", "model"):
        name = network.resolve().parent.name
    return Record(
        subject=Subject(name, "kit", sha256_of(file), None, parts=parts),
        runs=(run,),
        environment={"source": ["benchmark_model"]},
        command=(),
        created=stamp(path.stat().st_mtime),
        resgen=__version__,
    )


def _events(table: str, path: Path, count: int) -> list[Event]:
    """The kernels in the order in which they ran.

    What is the file's own operator ends in its number, after the tensor that it yields.
    """
    from resgen.attribution.operators.litert import Event

    found = []
    for line in table.splitlines()[1:]:
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        kind, name = cells[0], cells[-1]
        own = re.fullmatch(r"\[.*\]:(\d+)", name)
        if own is None and not name.startswith("Delegate/"):
            continue  # what the program does beside the network
        number = None if own is None else int(own[1])
        try:
            seconds = float(cells[2]) / 1e3
        except (IndexError, ValueError):
            raise ResgenError(f"{path} is not what benchmark_model prints") from None
        if number is not None and number >= count:
            raise ResgenError(f"{path} is of another file: it has operator {number}")
        found.append(Event(kind, seconds, number))
    return found
