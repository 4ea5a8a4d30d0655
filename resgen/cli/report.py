"""``resgen report``: saved results as a page, or in another form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from resgen.cli._text import say, say_json
from resgen.errors import ResgenError, UsageError

if TYPE_CHECKING:
    from resgen.profile.document.record import Record

_FORMATS: Final = {".html": "html", ".htm": "html", ".md": "md", ".csv": "csv",
                   ".json": "json"}  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  resgen report build/profile
  resgen report monday.json tuesday.json -o week.html
  resgen report report.json --format md >> comment.md
  resgen report times.json profile.json layers.json --network resnet50

A result is report.json of resgen profile, result.json of a kit, or what trtexec wrote
with --exportTimes, --exportProfile and --exportLayerInfo (files of one engine stand
next to each other); a folder with one of the former two will do. No engine has to be
installed. Several results of any kind are laid side by side, in order of time."""
)
@click.argument(
    "results", metavar="RESULT...", nargs=-1, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="report.html beside a single result, else here; stdout for the rest",
    help="The file to write.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "csv", "json"]),
    show_default="what the file's name ends in, else html",
    help="A page, Markdown for a pull request, a table, or a report.json.",
)
@click.option(
    "--table",
    type=click.Choice(["runs", "operators", "samples"]),
    default="runs",
    show_default=True,
    help="For csv: which table.",
)
@click.option(
    "--network",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="spec.json or model.onnx beside the result",
    help="For trtexec and kits: the spec or ONNX file whose blocks to charge.",
)
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of report.json instead."
)
def command(
    results: tuple[Path, ...],
    out: Path | None,
    form: str | None,
    table: str,
    network: Path | None,
    *,
    schema: bool,
) -> None:
    """Render saved results as a page that opens from disk.

    The page needs no network and no engine. Results of different days or devices are
    compared by the same command; a difference between them is a hint and no verdict.
    """
    if schema:
        from resgen.profile.document.document_schema import schema as make_schema

        say_json(make_schema())
        return
    if not results:
        raise UsageError(
            "no result is given",
            hint="resgen report DIR, where resgen profile wrote it",
        )
    form = form or _form_of(out)
    from resgen.report.readers.files import file_of, read

    files = [file_of(path) for path in results]
    records = read(files, network)
    if form == "html" and out is None:
        alone = len(results) == 1
        folder = results[0] if results[0].is_dir() else results[0].parent
        out = (folder if alone else Path()) / "report.html"
    text = _rendered(records, form, table)
    if out is None:
        say(text.rstrip("\n"))
        return
    from resgen.profile.document.documents import write_text

    if any(out.resolve() == path.resolve() for path in files):
        raise UsageError(f"{out} is one of the results, and would be overwritten")
    write_text(out, text)
    say(f"{out}  {len(text.encode()) / 1e6:.1f} MB", err=True)


def _form_of(out: Path | None) -> str:
    if out is None:
        return "html"
    found = _FORMATS.get(out.suffix.lower())
    if found is None:
        known = ", ".join(_FORMATS)
        raise UsageError(
            f"{out} does not say by its name what to write ({known})",
            hint="--format html|md|csv|json says it",
        )
    return found


def _rendered(records: Sequence[Record], form: str, table: str) -> str:
    if form == "json":
        from resgen.profile.document.documents import to_text

        if len(records) != 1:
            raise ResgenError(
                f"a report.json holds one result, and these are {len(records)}",
                hint="convert them one by one",
            )
        return to_text(records[0])
    if form == "md":
        from resgen.report.markdown import render as markdown

        return markdown(records)
    if form == "csv":
        from resgen.report.csv import render as csv

        return csv(records, table)  # type: ignore[arg-type]
    from resgen.report.html import render as html

    return html(records)
