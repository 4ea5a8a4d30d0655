"""The journal of a search: what was looked at, so that nothing is looked at twice.

A file of JSON lines that only grows. The first says what is searched; then somebody
claims a batch of candidates, and tells what came of it. Several processes share the
work by sharing the file, under its lock. A batch that was claimed and never told (its
process was killed) is taken over once no other is left; whoever is first tells it.
What networks reach that are trained stands in it as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from resgen.document.decoding import Misfit, decode
from resgen.document.files import plain
from resgen.errors import ResgenError
from resgen.files.lock import lock, unlock
from resgen.files.ordinary import reason
from resgen.searching.halving import Reached
from resgen.searching.price import Price
from resgen.words.numbers import flat

#: The key of the first line, and the version of what follows.
MARK: Final = "resgen_search"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Heading:
    """What a journal is of; two are of one search where all of it is equal.

    ``space`` is the SHA-256 of the space, ``asked`` what decides which candidates are
    looked at and what comes of them.
    """

    space: str
    asked: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate within the bounds: its genes, what it costs and how good it is."""

    genes: tuple[int, ...]
    price: Price
    score: float
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of some candidates of an arm of a search.

    ``refused`` counts those that are no candidates, by reason, and ``faulty`` has the
    first of those that are no networks; ``seconds`` are those of a core that it took.
    Before them ``since`` others of this number were drawn.
    """

    arm: str
    number: int
    drawn: int
    refused: Mapping[str, int]
    trials: tuple[Trial, ...]
    seconds: float
    since: int = 0
    faulty: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def followed(self, by: Batch) -> Batch:
        """This one and the rest of its number."""
        reasons = {*self.refused, *by.refused}
        return Batch(
            self.arm,
            self.number,
            self.drawn + by.drawn,
            {r: self.refused.get(r, 0) + by.refused.get(r, 0) for r in sorted(reasons)},
            (*self.trials, *by.trials),
            self.seconds + by.seconds,
            self.since,
            {**by.faulty, **self.faulty},
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Candidates to look at: ``left`` of a batch, of which ``since`` are told."""

    arm: str
    number: int
    since: int
    left: int

    @property
    def key(self) -> tuple[str, int, int]:
        """What a claim to it says."""
        return self.arm, self.number, self.since


class Journal:
    """The journal at a path, which is begun where there is none.

    Raises :class:`~resgen.errors.ResgenError` where it is of another search.
    """

    def __init__(self, path: Path, heading: Heading) -> None:
        self.path = path
        self.batches: dict[tuple[str, int], Batch] = {}
        #: What trained networks reached, by lesson, and then by trial and steps.
        self.reached: dict[str, dict[tuple[str, int], Reached]] = {}
        self._claimed: set[tuple[str, int, int]] = set()
        self._mine: set[tuple[str, int, int]] = set()
        self._read = 0
        self._heading = heading
        self._found: Heading | None = None
        try:
            # Windows would otherwise write other ends of lines.
            how = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, how, 0o644)
        except OSError as error:
            raise ResgenError(f"cannot open {path}: {reason(error)}") from error
        with self._locked():
            self._refresh()
            if self._found is None:
                self._append({MARK: VERSION, **plain(heading)})
                self._found = heading
        if plain(self._found) != plain(heading):
            raise self._other(self._found)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def claim(self, wanted: Mapping[str, int], size: int) -> Piece | None:
        """What to look at next; None where all is told.

        ``wanted`` are numbers of candidates by arm, which go by batches of ``size``,
        taken in turn.
        """
        with self._locked():
            self._refresh()
            open_ = [*self._open(wanted, size)]
            free = next((each for each in open_ if each.key not in self._claimed), None)
            # Nobody tells what a killed process claimed, and not twice what is mine.
            left = next((each for each in open_ if each.key not in self._mine), None)
            chosen = free or left
            if chosen is not None:
                self._append({"claim": chosen.key})
                self._claimed.add(chosen.key)
                self._mine.add(chosen.key)
            return chosen

    def left(self, wanted: Mapping[str, int], size: int) -> int:
        """How many candidates of those that are wanted are not told."""
        return sum(piece.left for piece in self._open(wanted, size))

    def _open(self, wanted: Mapping[str, int], size: int) -> Iterator[Piece]:
        """What is to be told yet, all arms in turn."""
        for number in range(-(-max(wanted.values(), default=0) // size)):
            for arm, candidates in wanted.items():
                known = self.batches.get((arm, number))
                since = 0 if known is None else known.drawn
                left = min(candidates - number * size, size) - since
                if left > 0:
                    yield Piece(arm, number, since, left)

    def tell(self, batch: Batch) -> None:
        """What came of a batch, unless somebody has told it."""
        with self._locked():
            self._refresh()
            if self._add(batch):
                self._append({"batch": plain(batch)})
                os.fsync(self._file)

    def _add(self, batch: Batch) -> bool:
        """Take a batch, or the rest of one, in; false where it is told already."""
        key = batch.arm, batch.number
        known = self.batches.get(key)
        if batch.since != (0 if known is None else known.drawn):
            return False
        self.batches[key] = batch if known is None else known.followed(batch)
        return True

    def reach(self, lesson: str, reached: Reached) -> None:
        """What a network that trains reached by a lesson, which goes by its digest."""
        with self._locked():
            self._refresh()
            self._append({"lesson": lesson, "reached": plain(reached)})
            os.fsync(self._file)
            self._keep(lesson, reached)

    def refresh(self) -> None:
        """Read what others have told."""
        with self._locked():
            self._refresh()

    def trials(self, arm: str) -> Iterator[Trial]:
        """All that was told of an arm, in the order of batches."""
        for key in sorted(key for key in self.batches if key[0] == arm):
            yield from self.batches[key].trials

    # --- the file ---------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file, which is named where the system fails at it."""
        try:
            lock(self._file)
            try:
                yield
            finally:
                unlock(self._file)
        except OSError as error:
            raise ResgenError(
                f"cannot go on with {self.path}: {reason(error)}"
            ) from error

    def _append(self, line: Mapping[str, Any]) -> None:
        text = f"{json.dumps(line, allow_nan=False)}\n".encode()
        while text:
            text = text[os.write(self._file, text) :]
        self._read = os.fstat(self._file).st_size

    def _refresh(self) -> None:
        """Read the lines that are new; half a one, whose writer was killed, goes."""
        size = os.fstat(self._file).st_size
        data = b""
        os.lseek(self._file, self._read, os.SEEK_SET)
        while len(data) < size - self._read:
            data += os.read(self._file, size - self._read - len(data))
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, self._read + whole)
        for line in data[:whole].splitlines():
            self._take(line)
        self._read += whole

    def _take(self, line: bytes) -> None:
        try:
            told = json.loads(line)
            if MARK in told:
                version = told.pop(MARK)
                self._found = decode(Heading, told)
                if version != VERSION:
                    raise Misfit("", f"there is no format {version}")
            elif "claim" in told:
                arm, number, *since = told["claim"]
                self._claimed.add((arm, number, *(since or [0])))
            elif "reached" in told:
                self._keep(str(told["lesson"]), decode(Reached, told["reached"]))
            else:
                self._add(decode(Batch, told["batch"]))
            if self._found is None:
                raise Misfit("", "it does not begin as one")
        except (ValueError, TypeError, LookupError, Misfit) as error:
            raise ResgenError(
                f"{self.path} is no journal of a search, or was altered: {error}",
                hint="name another folder, or remove the file",
            ) from error

    def _keep(self, lesson: str, reached: Reached) -> None:
        known = self.reached.setdefault(lesson, {})
        known.setdefault((reached.trial, reached.steps), reached)

    def _other(self, found: Heading) -> ResgenError:
        """The error of a journal of another search."""
        if found.space != self._heading.space:
            what = f"of another space (sha256 {found.space[:12]}...)"
        else:
            there, here = dict(flat(found.asked)), dict(flat(self._heading.asked))
            told = (
                f"{name} was {there.get(name)}, and is {here.get(name)} now"
                for name in sorted({*there, *here})
                if there.get(name) != here.get(name)
            )
            what = f"of another search: {'; '.join(told)}"
        return ResgenError(
            f"{self.path} is {what}", hint="name another folder, or remove the file"
        )
