"""What the networks with published weights cost, counted once and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from resgen.api.asked.common import Reading
from resgen.api.catalogue.published import Published
from resgen.api.specs import network
from resgen.errors import ResgenError
from resgen.files.cache import cache_folder
from resgen.files.whole import make_folder, write_text
from resgen.graph.ir import Graph
from resgen.latency.kernels import Kernel, identity, runs
from resgen.spec import zoo
from resgen.words.progress import Progress

_PACKAGE: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Counted:
    """The kernels that a network runs, in order, and its parameters.

    ``sha256`` is the hash of the kernels, under which their time is kept.
    """

    sha256: str
    params: int
    kernels: tuple[Kernel, ...]

    @classmethod
    def of(cls, graph: Graph) -> Counted:
        """What a network runs."""
        kernels = tuple(run.kernel for run in runs(graph))
        return cls(identity(kernels), graph.params, kernels)

    def costs(self, batch: int) -> tuple[float, float, float]:
        """Multiply-adds, bytes that are moved and kernels, of a batch."""
        moved = sum(
            4 * (k.weights + batch * (k.reads + k.writes)) for k in self.kernels
        )
        macs = batch * sum(kernel.macs for kernel in self.kernels)
        return macs, moved, len(self.kernels)


def at_size(each: Published) -> Graph:
    """A network of the zoo at the size of its weights."""
    sized = Reading(set=(f"/input=[3,{each.size},{each.size}]",))
    return network(each.network, sized)[1]


def counted(known: Mapping[str, Published], progress: Progress) -> dict[str, Counted]:
    """Each network at its size: those that were counted before are read.

    What is kept holds for the code and the specs that it was counted with.
    """
    path, version = cache_folder() / "latency" / "counts.json", _version()
    there = _read(path, version)
    missing = [key for key in known if key not in there]
    for number, key in enumerate(missing):
        progress.advance("networks", number, len(missing))
        there[key] = Counted.of(at_size(known[key]))
    if missing:
        try:
            _write(path, version, there)
        except ResgenError as error:
            told = f"nothing is kept for the next time: {error.message}"
            progress.say("cache", f"{told}; RESGEN_CACHE names another folder")
    return {key: there[key] for key in known}


def _version() -> str:
    """A hash of all that counts depend on, whoever changed it."""
    found = sha256()
    for path in _files():
        found.update(path.read_bytes())
    return found.hexdigest()


def _files() -> Iterable[Path]:
    return (*sorted(_PACKAGE.rglob("*.py")), *zoo.names().values())


def _read(path: Path, version: str) -> dict[str, Counted]:
    """What is kept, unless it is of another version or cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["version"] != version:
            return {}
        kernels = [Kernel(*row) for row in found["kernels"]]
        return {
            key: Counted(name, params, tuple(kernels[at] for at in places))
            for key, (name, params, places) in found["networks"].items()
        }
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}


def _write(path: Path, version: str, counts: Mapping[str, Counted]) -> None:
    kernels: dict[Kernel, int] = {}
    networks = {}
    for key, each in counts.items():
        places = [kernels.setdefault(k, len(kernels)) for k in each.kernels]
        networks[key] = (each.sha256, each.params, places)
    make_folder(path.parent)
    rows = [astuple(kernel) for kernel in kernels]
    found = {"version": version, "kernels": rows, "networks": networks}
    write_text(path, json.dumps(found))
