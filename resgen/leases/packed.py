"""What is sent to a host: questions, the files that they are about, and resgen."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from resgen.files.hashed import sha256_of
from resgen.tensorrt.manifest import manifest_of

_PACKAGE: Final = Path(__file__).resolve().parents[1]
#: The oldest date that a zip file knows: the same files make the same bytes.
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


class Packed(pickle.Pickler):
    """Arguments in a pickle, in which files stand for themselves.

    ``bundles`` are the files in the order in which they were met: what each is called,
    and the SHA-256 of it and of all that lies beside it and belongs to it.
    ``paths`` are where they lie, by their SHA-256.
    """

    def __init__(self) -> None:
        self._made = io.BytesIO()
        super().__init__(self._made, protocol=5)
        self.bundles: list[dict[str, Any]] = []
        self.paths: dict[str, Path] = {}
        self._places: dict[Path, int] = {}

    def pack(self, arguments: Any) -> bytes:
        """The arguments' pickle."""
        self.dump(arguments)
        return self._made.getvalue()

    def persistent_id(self, value: Any) -> int | None:
        """The place of a file among the bundles, None for all else."""
        if not isinstance(value, Path) or not value.is_file():
            return None
        if value not in self._places:
            self._places[value] = len(self.bundles)
            files = {}
            for name, path in _together(value).items():
                files[name] = sha256_of(path)
                self.paths[files[name]] = path
            self.bundles.append({"name": value.name, "files": files})
        return self._places[value]


def _together(path: Path) -> Mapping[str, Path]:
    """A file and those that it names, by their names in its folder."""
    if path.suffix == ".onnx":
        from resgen.onnxfile.external import named_files

        return {path.name: path, **named_files(path)}
    beside = manifest_of(path)  # an engine is loaded with what vouches for it
    return {each.name: each for each in (path, beside) if each.is_file()}


@cache
def package() -> tuple[str, bytes]:
    """This resgen as a zip file, and the SHA-256 of it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(_PACKAGE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(_PACKAGE.parent).as_posix()
                entry = zipfile.ZipInfo(name, _LONG_AGO)
                packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    content = made.getvalue()
    return sha256(content).hexdigest(), content
