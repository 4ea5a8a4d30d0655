"""Files of any kind that holds latencies, as records: what ``resgen report`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.profile.document import documents
from resgen.profile.document.record import Record
from resgen.report.readers import kit, trtexec
from resgen.report.readers.network import beside

#: What a folder may hold, in the order in which it is looked for.
IN_FOLDER: Final = ("report.json", "result.json")


def read(paths: Sequence[Path], network: Path | None = None) -> list[Record]:
    """The records of files and folders, in the order given.

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

    for path in map(file_of, paths):
        document = documents.read_json(path)
        kind = trtexec.kind_of(document)
        if kind is None or kind in engine:
            records += finish()
        if kind is not None:
            engine[kind] = (path, document)
        elif isinstance(document, dict) and kit.MARK in document:
            records.append(kit.read(document, path, network or beside(path)))
        else:
            records.append(documents.from_json(document, path))
    return [*records, *finish()]


def file_of(path: Path) -> Path:
    """The file itself, or the result in a folder."""
    if not path.is_dir():
        return path
    for name in IN_FOLDER:
        if (path / name).is_file():
            return path / name
    raise ResgenError(
        f"{path} holds neither {' nor '.join(IN_FOLDER)}",
        hint=f"resgen profile -o {path} writes the former, a kit's script the latter",
    )
