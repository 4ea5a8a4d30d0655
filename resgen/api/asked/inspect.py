"""What ``resgen inspect`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import VARIED, Reading
from resgen.options.group import option
from resgen.options.kinds import FLAG, Kind, path

#: Networks that are laid side by side, at most.
MAX_VARIANTS: Final = 128


def _drawn(value: Any) -> Path:
    found = path().check(value)
    if found.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"{found} ends in neither .svg nor .png")
    return found


PICTURE: Final = Kind("FILE.svg|FILE.png", _drawn, _drawn)


@dataclass(frozen=True, kw_only=True)
class Inspecting(Reading):
    """What is told of a network, and what it is laid beside."""

    operators: bool = option("--operators", FLAG, "Tell of every operator.")
    vary: tuple[tuple[str, tuple[str, ...]], ...] = option(
        "--vary",
        VARIED,
        "Lay the networks with each of these values side by side; given several "
        "times, those of every combination.",
        repeated=True,
    )
    diagram: Path | None = option(
        "--diagram",
        PICTURE,
        "Draw the network: stages, blocks and shortcuts.",
        shown="none",
    )

    def refuse(self) -> None:
        """A table has an end."""
        super().refuse()
        number = prod(len(values) for _, values in self.vary)
        if number > MAX_VARIANTS:
            raise self.refused(
                f"{{vary}} asks for {number:,} networks; {MAX_VARIANTS} are the most"
            )
