"""Files of any kind that holds results, as records: what ``resgen report`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from resgen.diagnosis.documents import DATA, DIAGNOSIS
from resgen.document.files import Format, read_json
from resgen.errors import ResgenError, UsageError
from resgen.files.ordinary import read_text, unreadable
from resgen.profiling.documents import COMPARISON, REPORT
from resgen.records.profile import Record
from resgen.reports.forms import Results
from resgen.reports.readers import benchmark, kit, trtexec
from resgen.reports.readers.network import beside

#: What a folder may hold, in the order in which it is looked for.
IN_FOLDER: Final = ("report.json", "result.json", DATA)


def read(paths: Sequence[Path], network: Path | None = None) -> Results:
    """The records of files and folders, in the order given.

    Results of different kinds have nothing in common to lay side by side, so they are a
    UsageError, and so are several comparisons.
    """
    files = [(path, _read(path)) for path in map(file_of, paths)]
    kinds = [_kind(document) for _, document in files]
    other = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is not None:
        raise UsageError(
            f"{files[0][0]} {_holds(kinds[0])} and {files[other][0]} "
            f"{_holds(kinds[other])}: they do not go on one page",
            hint="resgen report each on its own",
        )
    if kinds[0] is None:
        return _latencies(files, network)
    if kinds[0] is COMPARISON and len(files) > 1:
        raise UsageError(
            "a page shows one comparison", hint="resgen report each on its own"
        )
    return [kinds[0].from_json(document, path) for path, document in files]


def _read(path: Path) -> Any:
    """What a file holds: JSON, or the text that a program printed."""
    if path.suffix != ".txt":
        return read_json(path)
    try:
        return read_text(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise ResgenError(f"{path} is no text: {error}") from error


def _kind(document: Any) -> Format[Any] | None:
    """The format of what is neither a latency nor of another program."""
    return next((f for f in (DIAGNOSIS, COMPARISON) if f.marks(document)), None)


def _holds(kind: Format[Any] | None) -> str:
    return "holds latencies" if kind is None else f"is a {kind.name}"


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
        elif isinstance(document, str):
            records.append(benchmark.read(document, path, network))
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
