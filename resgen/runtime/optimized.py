"""Graphs that ONNX Runtime has optimised, kept so that the next session starts sooner.

What the optimiser writes is for one machine (layouts follow the processor's vector
width) and one version, so an entry is found by a hash of all that it depends on. An
entry is a folder that appears whole; one that is damaged is thrown away.

Hashing a model takes as long as optimising it, so hashes are kept as well, by what the
system says of the file (path, inode, size, time of its last change).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from resgen.onnxfile.external import check_external

MODEL: Final = "model.onnx"
DATA: Final = "model.onnx.data"
SUM: Final = "crc32"
HASHES: Final = "hashes"
#: A file that changed this shortly ago (ns) may change again and look the same: clocks
#: of file systems tick slowly.
SETTLED: Final = 2_000_000_000
_CHUNK: Final = 1 << 20


def entry_of(cache: Path, model: Path | bytes, *parts: str) -> Path:
    """The folder for this model in ``cache``; ``parts`` are what else it depends on.

    A data file that is not whole is a :class:`~resgen.errors.ResgenError`.
    """
    if isinstance(model, bytes):
        hashes = [hashlib.sha256(model).hexdigest()]
    else:
        hashes = [_hash(cache, file) for file in (model, *check_external(model))]
    depends = (*hashes, *parts, platform.machine(), *_processor())
    return cache / hashlib.sha256("\0".join(depends).encode()).hexdigest()


def find(entry: Path) -> Path | None:
    """The optimised model of an entry, if it is there and as it was written."""
    if not entry.exists():
        return None
    try:
        if (entry / SUM).read_text("ascii") == _sum(entry):
            return entry / MODEL
    except (OSError, ValueError):
        pass
    discard(entry)
    return None


def discard(entry: Path) -> None:
    """Remove an entry that is of no use."""
    shutil.rmtree(entry, ignore_errors=True)


def new_stage(cache: Path) -> Path | None:
    """A folder to write an entry into; None where ``cache`` cannot be written."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".", dir=cache))
    except OSError:
        return None


def save_into(stage: Path, options: Any) -> None:
    """Have a session with these options write its graph into ``stage``.

    The weights go into a file of their own, since one message holds 2 GiB at most.
    """
    options.optimized_model_filepath = str(stage / MODEL)
    prefix = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{prefix}_file_name", DATA)
    options.add_session_config_entry(f"{prefix}_min_size_in_bytes", "1024")


def keep(stage: Path, entry: Path) -> None:
    """Make a written stage an entry.

    Another process may have been first: its entry is as good. A disk that is full costs
    the entry, not the session.
    """
    with suppress(OSError):
        (stage / SUM).write_text(_sum(stage), "ascii")
        for path in stage.iterdir():
            with path.open("rb+") as written:
                os.fsync(written.fileno())
        stage.chmod(0o755)  # mkdtemp makes it private
        stage.rename(entry)


def _sum(entry: Path) -> str:
    """A checksum of an entry's files: enough against damage, and fast."""
    found = []
    for path in (entry / MODEL, entry / DATA):
        crc = 0
        if path.exists():
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    crc = crc32(chunk, crc)
            found.append(f"{path.stat().st_size} {crc:08x}")
    return "\n".join(found)


def _hash(cache: Path, path: Path) -> str:
    """The SHA-256 of a file, from ``cache`` if the file is the one hashed before."""
    stat = path.stat()
    state = (path.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    name = hashlib.sha256(repr(state).encode()).hexdigest()
    memo = cache / HASHES / name
    with suppress(OSError):
        known = memo.read_text("ascii")
        if len(known) == len(name):
            return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if time.time_ns() - stat.st_mtime_ns > SETTLED:
        with suppress(OSError):
            memo.parent.mkdir(parents=True, exist_ok=True)
            memo.write_text(digest.hexdigest(), "ascii")
    return digest.hexdigest()


def _processor() -> tuple[str, ...]:
    """The processor's model and what it can do, as the system names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return (platform.processor(),)
    wanted = ("model name", "flags", "Features", "CPU part")
    return tuple(sorted({line for line in lines if line.startswith(wanted)}))
