"""Files of any kind that holds results, as records: what ``resgen report`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from resgen.diagnosis.documents import DATA, DIAGNOSIS
from resgen.document.files import read_json
from resgen.errors import ResgenError, UsageError
from resgen.profiling.documents import REPORT
from resgen.records.diagnosis import Diagnosis
from resgen.records.latency import Record
from resgen.reports.readers import kit, trtexec
from resgen.reports.readers.network import beside

#: What a folder may hold, in the order in which it is looked for.
IN_FOLDER: Final = ("report.json", "result.json", DATA)


def read(
    paths: Sequence[Path], network: Path | None = None
) -> list[Record] | list[Diagnosis]:
    """The records of files and folders, in the order given.

    Diagnoses and latencies have nothing in common to lay side by side, so both at once
    are a UsageError.
    """
    files = [(path, read_json(path)) for path in map(file_of, paths)]
    diagnoses = [DIAGNOSIS.marks(document) for _, document in files]
    if not any(diagnoses):
        return _latencies(files, network)
    if not all(diagnoses):
        one, other = diagnoses.index(True), diagnoses.index(False)
        raise UsageError(
            f"{files[one][0]} is a diagnosis and {files[other][0]} holds latencies: "
            "they do not go on one page",
            hint="resgen report each on its own",
        )
    return [DIAGNOSIS.from_json(document, path) for path, document in files]


def _latencies(files: Sequence[tuple[Path, Any]], network: Path | None) -> list[Record]:
    """The records of files of latencies.

    Files of trtexec's that stand next to each other are of one engine, until one of a
    kind comes that was there already. ``network`` is what layers are charged to, by
    default a spec or an ONNX file that lies beside the result.
    """
    records: list[Record] = []
    engine: dict[trtexec.Kind, tuple[Path, Any]] = {}

    def finish() -> Iterator[Record]:
        if engine:
            first = next(iter(engine.values()))[0]
            yield trtexec.read(dict(engine), network or beside(first))
            engine.clear()

    for path, document in files:
        kind = trtexec.kind_of(document)
        if kind is None or kind in engine:
            records += finish()
        if kind is not None:
            engine[kind] = (path, document)
        elif isinstance(document, dict) and kit.MARK in document:
            records.append(kit.read(document, path, network or beside(path)))
        else:
            records.append(REPORT.from_json(document, path))
    return [*records, *finish()]


def file_of(path: Path) -> Path:
    """The file itself, or the result in a folder."""
    if not path.is_dir():
        return path
    for name in IN_FOLDER:
        if (path / name).is_file():
            return path / name
    raise ResgenError(
        f"{path} holds none of {', '.join(IN_FOLDER)}",
        hint="resgen profile -o DIR writes the first, a kit's script the second, "
        "resgen diagnose -o DIR the third",
    )
