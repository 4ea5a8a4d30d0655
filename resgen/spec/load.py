"""From a file, a name of the zoo, or a Python object, to a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resgen.errors import SpecError
from resgen.spec import zoo
from resgen.spec.decode import decode
from resgen.spec.model import Spec
from resgen.spec.params import Vocabulary
from resgen.spec.resolve import resolve, shown
from resgen.spec.source import Json, Problems, from_plain, read


def locate(source: str | Path) -> Path:
    """The file meant by ``source``: a path, or the name of a network of the zoo.

    A path that is not there is returned as it is, so that reading it says so.
    """
    path = Path(source)
    looks_like_path = isinstance(source, Path) or path.suffix or len(path.parts) > 1
    try:
        if looks_like_path or path.exists():
            return path
    except (OSError, ValueError):  # a name that no file can have
        return path
    return zoo.find(str(source))


def load(
    source: str | Path | Mapping[str, Any],
    operators: Vocabulary,
    problems: Problems,
    assignments: Sequence[str] = (),
    called: str = "<spec>",
) -> Spec | None:
    """Read, resolve and decode; problems are collected, None means too many of them.

    ``source`` is a path, a name of the zoo or the spec itself as Python values;
    ``assignments`` are changes of the form ``/POINTER=VALUE``. Places in a spec that is
    no file are told as ``called``.
    """
    at: Json | None
    path: Path | None = None
    if isinstance(source, Mapping):
        at = _stated(source, problems, called)
    else:
        path = locate(source)
        named = path == Path(source)
        at = read(path, problems, shown=str(path) if named else shown(path))
    if at is None:
        return None
    resolved = resolve(at, path, problems, assignments)
    folder = None if path is None else path.parent
    return decode(resolved, operators, problems, folder)


def _stated(source: Mapping[str, Any], problems: Problems, called: str) -> Json | None:
    """A spec given as Python values; what JSON would not take is a problem of it."""
    try:
        return from_plain(dict(source), called)
    except SpecError as error:
        for problem in error.problems:
            problems.add(problem)
    return None
