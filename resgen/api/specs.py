"""SPEC of the command line: a file or the name of a network of the zoo, examined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from resgen.errors import Place, Problem, ResgenError, SpecError, closest
from resgen.files.names import IMPORT, MANIFEST, SHRINK
from resgen.options.kinds import told, typed, unfit
from resgen.spec.model import Spec

if TYPE_CHECKING:
    from resgen.api.asked.common import Reading
    from resgen.document.files import Format
    from resgen.expansion.arguments import Source
    from resgen.expansion.network import Examined
    from resgen.graph.ir import Graph
    from resgen.options.group import Group

S = TypeVar("S")
A = TypeVar("A", bound="Group")
#: What stands for a spec: where it is read from, or itself.
SPEC: Final = typed(
    "a spec, which is a file, the name of a network, JSON values, or what resgen.load "
    "read",
    str, Path, Mapping, Spec,
)  # fmt: skip
#: The code of a spec that cannot be read.
UNREADABLE: Final = "RG006"


def opened(source: S, asked: A, *, built: bool = False) -> tuple[S | str, A]:
    """A folder with a spec and its weights stands for these: an import is one.

    The weights go to ``asked``, where it takes any and names no others. With ``built``
    so does a build or an export, for what asks of its network alone.
    """
    if not isinstance(source, str | Path):
        return source, asked
    folder, marks = Path(source), (IMPORT, SHRINK, *([MANIFEST] if built else ()))
    mark = next((name for name in marks if not _missing(folder / name)), None)
    if mark is None:
        return source, asked
    from resgen.api.asked.common import Weighing

    spec, weights = _of_build(folder) if mark == MANIFEST else _described(folder, mark)
    if isinstance(asked, Weighing) and asked.weights is None:
        asked = replace(asked, weights=weights)
    return str(spec), asked


def _described(folder: Path, mark: str) -> tuple[Path, Path]:
    """The spec and the weights of an import, or of a network that was shrunk."""
    from resgen.artifact import imported, shrunk
    from resgen.artifact.described import open_described

    kinds: dict[str, Format[Any]] = {IMPORT: imported.RECORD, SHRINK: shrunk.RECORD}
    found = open_described(folder, mark, kinds[mark])
    return found.spec, found.weights


def _of_build(folder: Path) -> tuple[Path, Path]:
    """The spec and the weights of a build or an export, as they were written."""
    from resgen.artifact.folder import SPEC as FILE
    from resgen.artifact.opened import open_folder

    found = open_folder(folder)
    found.check_hashes({FILE, found.weights.name})
    return folder / FILE, found.weights


def examined(spec: Source, asked: Reading) -> Examined:
    """What :func:`resgen.examine` finds; names that are misspelt get a hint."""
    from resgen.expansion.builder import Limits
    from resgen.expansion.network import examine

    spec, _ = opened(spec, asked, built=True)
    given = {"operators": asked.max_operators, "parameters": asked.max_parameters}
    limits = Limits(**{key: n for key, n in given.items() if n is not None})
    found = examine(spec, asked.set, limits=limits)
    return replace(found, problems=tuple(map(_suggest, found.problems)))


def checked(spec: Source, asked: Reading) -> Examined:
    """As :func:`examined`; that the zoo has no such network is a problem as well."""
    from resgen.expansion.network import Examined

    try:
        return examined(spec, asked)
    except ResgenError as error:
        place = Place(str(spec), 1, 1, "")
        problem = Problem(UNREADABLE, "error", error.message, place, error.hint)
        return Examined(None, None, (problem,))


def network(spec: Source, asked: Reading) -> tuple[Spec, Graph, tuple[Problem, ...]]:
    """A spec without errors, its graph and its warnings; otherwise a ResgenError."""
    found = examined(spec, asked)
    if found.spec is None or found.graph is None:
        first = found.problems[0]
        if first.code == UNREADABLE:
            raise ResgenError(f"{first.place.file}: {first.message}", hint=first.hint)
        raise SpecError(found.problems)
    return found.spec, found.graph, found.problems


def read_spec(spec: Spec | Source, asked: Reading) -> tuple[Spec, Graph]:
    """A spec, which may be read already, and its graph; see :func:`network`."""
    from resgen.expansion.network import expand

    if not isinstance(spec, Spec):
        return network(spec, asked)[:2]
    if asked.set:
        raise asked.refused(
            "{set} changes a spec while it is read, and this was read already",
            hint="resgen.load(spec, changes) makes them",
        )
    return spec, expand(spec)


def _suggest(problem: Problem) -> Problem:
    """With a hint, where a file is not there but one of nearly its name is."""
    path = Path(problem.place.file)
    if problem.code != UNREADABLE or problem.hint or not _missing(path):
        return problem
    from resgen.spec import zoo

    name = path.stem
    beside = {p.stem: str(p) for p in path.parent.glob("*.json") if p.is_file()}
    choices = {**{known: known for known in zoo.names()}, **beside}
    near = closest(name, choices)
    if near is None:
        return problem
    return replace(problem, hint=f"did you mean {choices[near]}?")


def _missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # its name is no name
        return False


def folder_name(name: str, hint: str = "name one with -o DIR") -> str:
    """The network's name, if it can be that of a folder in ``build/``."""
    why = unfit(name)
    if why is not None:
        raise ResgenError(f"the network's name, {told(name)}, {why}", hint=hint)
    return name
