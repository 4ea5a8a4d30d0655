"""Questions answered on a host: resgen's own functions, called by their names."""

from __future__ import annotations

import io
import os
import pickle
import re
from collections.abc import Callable, Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from resgen.document.files import plain
from resgen.errors import ResgenError
from resgen.files.aside import folder_aside
from resgen.machine.process import Failure
from resgen.words.progress import Progress

#: Gives one line of an answer: its kind, and what belongs to it.
Give: TypeAlias = Callable[..., None]


class Told(Progress):
    """Hands on to the other side what is said here."""

    def __init__(self, give: Give) -> None:
        self._give = give

    def say(self, label: str, text: str) -> None:
        self._give("say", label=label, text=text)

    def advance(self, step: str, done: int, total: int) -> None:
        self._give("advance", step=step, done=done, total=total)


class Unpacked(pickle.Unpickler):
    """Arguments whose files are those that were sent, under their own names."""

    def __init__(self, packed: bytes, files: Sequence[Path]) -> None:
        super().__init__(io.BytesIO(packed))
        self._files = files

    def persistent_load(self, pid: Any) -> Path:
        """A file by its place among those of the question."""
        return self._files[int(pid)]


def answer(give: Give, store: Path, said: dict[str, Any], body: bytes) -> None:
    """Call a function and give what it returns, or what it raises.

    ``store`` has the files of the question by their SHA-256.
    """
    module: Any = import_module(said["module"])
    function: Callable[..., Any] = reduce(getattr, said["name"].split("."), module)
    try:
        with folder_aside(store) as folder:
            files = [
                _laid(store, each, folder / str(number))
                for number, each in enumerate(said["files"])
            ]
            arguments, named = Unpacked(body, files).load()
            if said["told"]:
                named["progress"] = Told(give)
            found = function(*arguments, **named)
    except KeyboardInterrupt as stop:
        part = stop.args[0] if stop.args else None
        part = None if isinstance(part, Failure) else plain(part)
        give("interrupted", value=part)
    except ResgenError as error:
        message = _without_places(error.message, store)
        give("raised", **plain(Failure(message, error.hint, error.exit_code)))
    except Exception as error:  # whatever it raises fails this question alone
        message = _without_places(f"{type(error).__name__}: {error}", store)
        give("raised", **plain(Failure(message)))
    else:
        kind = "failed" if isinstance(found, Failure) else "done"
        give(kind, value=plain(found))


def _without_places(message: str, store: Path) -> str:
    """What an error says, with files called as they are where they come from."""
    return re.sub(rf"{re.escape(str(store))}/\.resgen-[^/]+/\d+/", "", message)


def _laid(store: Path, bundle: dict[str, Any], folder: Path) -> Path:
    """A file and those that it names itself, in a folder of their own."""
    for name, sha256 in bundle["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(store / sha256, path)
    return folder / str(bundle["name"])
