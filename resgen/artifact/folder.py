"""The folder that a build makes: whole or not there, and never somebody else's.

Files are written into a folder beside the target and moved when all of them are done,
so an interrupt or a full disk leaves what was there before.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError

SPEC: Final = "spec.json"
GRAPH: Final = "graph.json"
WEIGHTS: Final = "weights.safetensors"
MODEL: Final = "model.onnx"
MANIFEST: Final = "manifest.json"


@contextmanager
def staged(target: Path, *, force: bool) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well.

    An earlier build at ``target`` is replaced. A folder that holds anything else is
    refused; with ``force`` the new files are moved in among the others.
    """
    _check(target, force=force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ResgenError(f"cannot write to {target.parent}: {reason(error)}") from None
    stage = Path(made)
    try:
        stage.chmod(0o755)  # mkdtemp makes it private
        yield stage
        _move(stage, target)
    except ResgenError as error:
        # A person knows nothing of the folder aside, which is gone by then.
        error.message = error.message.replace(str(stage), str(target))
        raise
    except OSError as error:
        raise ResgenError(f"cannot write {target}: {reason(error)}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def reason(error: OSError) -> str:
    """Why a file could not be used, in the system's words."""
    return (error.strerror or str(error)).lower()


def _check(target: Path, *, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ResgenError(f"{target} is a file", hint="name another folder with -o")
    foreign = sorted(set(_names(target)) - _built(target))
    if foreign and not force:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ResgenError(
            f"{target} holds something else: {', '.join(foreign[:3])}{more}",
            hint="--force builds there all the same and leaves those files alone",
        )


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def _built(folder: Path) -> set[str]:
    """What an earlier build put into the folder, by its own manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        return {*(name.partition("/")[0] for name in manifest["files"]), MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _move(stage: Path, target: Path) -> None:
    if target.is_dir() and set(_names(target)) - _built(target):
        # Forced: ours go in one by one, the manifest last, since it vouches for them.
        names = sorted(_names(stage), key=lambda name: name == MANIFEST)
        for name in names:
            if (target / name).is_dir():
                shutil.rmtree(target / name)
            (stage / name).replace(target / name)
        return
    old = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        target.replace(old / target.name)
    try:
        stage.replace(target)
    except OSError:
        if old is not None:
            (old / target.name).replace(target)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs: indented, ending in a newline."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")
