"""Options of what looks at a spec, a folder or a result, and makes no network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import VARIED, Reading
from resgen.options.group import Group, option
from resgen.options.kinds import FLAG, Kind, choice, path, text, whole
from resgen.spec.change import CHANGE, EXAMPLE

#: Networks that are laid side by side, at most.
MAX_VARIANTS: Final = 128


def _drawn(value: Any) -> Path:
    found = path().check(value)
    if found.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"{found} ends in neither .svg nor .png")
    return found


PICTURE: Final = Kind("FILE.svg|FILE.png", _drawn, _drawn)


@dataclass(frozen=True, kw_only=True)
class Checking(Reading):
    """How specs are changed and judged."""

    strict: bool = option("--strict", FLAG, "Count warnings as errors.")


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
    latency: Path | None = option(
        "--latency",
        path("TABLE"),
        "Predict its latency, by stage, from a table of `resgen measure blocks`.",
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


@dataclass(frozen=True, kw_only=True)
class Diffing(Reading):
    """How the second of two networks is changed before they are laid side by side."""

    set: tuple[str, ...] = option(
        "--set",
        CHANGE,
        f"Change a part of B, as in {EXAMPLE}; may be repeated.",
        repeated=True,
    )


@dataclass(frozen=True, kw_only=True)
class Verifying(Group):
    """What a folder is proven on."""

    images: Path | None = option(
        "--images",
        path("FOLDER"),
        "Compare on all pictures of a folder.",
        shown="photographs that scikit-image ships",
    )
    batch: tuple[int, ...] = option(
        "--batch",
        whole(),
        "Compare at this batch size; may be repeated.",
        repeated=True,
    )


@dataclass(frozen=True, kw_only=True)
class Predicting(Group):
    """What is told of a picture, by what runs it, and whether it is drawn."""

    runtime: str = option(
        "--runtime",
        text("NAME"),
        "What runs the network.",
        default="onnxruntime",
    )
    top: int | None = option(
        "--top",
        whole(),
        "How many classes, or boxes, to show of each picture.",
        shown="5; of boxes 10, of a mask all that are present",
    )
    output: str | None = option(
        "--output",
        text("NAME"),
        "The output that holds the scores: a vector, or a map over the picture.",
        shown="the only one",
    )
    draw: Path | None = option(
        "--draw",
        path("FOLDER"),
        "Write the pictures with what was found on them, as FOLDER/PICTURE.png.",
    )


@dataclass(frozen=True, kw_only=True)
class Reporting(Group):
    """In what form results are written, and where."""

    out: Path | None = option(
        "--out",
        path("FILE"),
        "The file to write.",
        short="-o",
        shown="report.html, diagnosis.html or comparison.html beside a single result, "
        "else here; stdout for the rest",
    )
    format: Any = option(
        "--format",
        choice("html", "md", "csv", "json"),
        "A page, Markdown for a pull request, a table, or the data anew.",
        shown="what the file's name ends in, else html",
    )
    table: Any = option(
        "--table",
        choice("runs", "parts", "operators", "samples", "steps", "findings", "pairs"),
        "For csv: which table; parts are of all, steps and findings of a diagnosis, "
        "pairs of a comparison.",
        shown="runs of latencies, else parts",
    )
    network: Path | None = option(
        "--network",
        path("FILE"),
        "For trtexec and kits: the spec or ONNX file whose blocks to charge.",
        shown="spec.json or model.onnx beside the result",
    )
