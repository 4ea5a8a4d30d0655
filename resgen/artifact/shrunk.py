"""What is told of a network that was made smaller: which channels stayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.artifact.described import (
    FORMAT,
    Described,
    DescribedFolder,
    write_described,
)
from resgen.document.files import Format
from resgen.files.names import MARKS, SHRINK
from resgen.recovery.imported import Imported
from resgen.shrinking.cut import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Described):
    """What is left of a network of which channels were taken away.

    ``before`` and ``after`` are what it cost and costs. ``importance`` is what channels
    were compared by. ``kept`` has for each parameter that lost some, by its name in the
    spec, the positions that stayed along each of its axes, or null where all did.
    ``names`` has for each parameter what the whole network calls it.
    """

    before: Size
    after: Size
    importance: str
    kept: Mapping[str, tuple[tuple[int, ...] | None, ...]]
    names: Mapping[str, str]


RECORD: Final = Format(
    mark=MARKS[3],
    version=FORMAT,
    kind=Record,
    name="record of a smaller network",
    title="What is left of a network that resgen made smaller",
    made_by="resgen shrink",
    hint="`resgen shrink SPEC` makes a folder with one",
)


def write_shrunk(
    found: Imported,
    out: Path,
    *,
    source: str,
    before: Size,
    after: Size,
    importance: str,
    kept: Mapping[str, tuple[tuple[int, ...] | None, ...]],
    names: Mapping[str, str],
    proven: Mapping[str, Any] | None = None,
    force: bool = False,
) -> DescribedFolder[Record]:
    """Write the folder of a smaller network; ``source`` is what it was made of."""
    return write_described(
        found,
        out,
        SHRINK,
        RECORD,
        {
            "before": before,
            "after": after,
            "importance": importance,
            "kept": kept,
            "names": names,
        },
        source=source,
        proven=proven,
        force=force,
    )
