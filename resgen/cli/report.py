"""``resgen report``: saved results as a page, or in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resgen.cli._text import say, say_json
from resgen.errors import UsageError

if TYPE_CHECKING:
    from resgen.reports.forms import Form


@click.command(
    epilog="""\b
Examples:
  resgen report build/profile
  resgen report monday.json tuesday.json -o week.html
  resgen report report.json --format md >> comment.md
  resgen report times.json profile.json layers.json --network resnet50

A result is report.json of resgen profile, result.json of a kit, or what trtexec wrote
with --exportTimes, --exportProfile and --exportLayerInfo (files of one engine stand
next to each other); diagnosis.json of resgen diagnose, or what resgen compare -o wrote
as JSON. A folder with one of the
named files will do. No engine has to be installed. Several latencies of any kind are
laid side by side, in order of time, and the networks of several diagnoses."""
)
@click.argument(
    "results", metavar="RESULT...", nargs=-1, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="report.html or diagnosis.html beside a single result, else here; "
    "stdout for the rest",
    help="The file to write.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "csv", "json"]),
    show_default="what the file's name ends in, else html",
    help="A page, Markdown for a pull request, a table, or the data anew.",
)
@click.option(
    "--table",
    type=click.Choice(
        ["runs", "parts", "operators", "samples", "steps", "findings", "pairs"]
    ),
    show_default="runs of latencies, else parts",
    help="For csv: which table; parts are of all, steps and findings of a diagnosis, "
    "pairs of a comparison.",
)
@click.option(
    "--network",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="spec.json or model.onnx beside the result",
    help="For trtexec and kits: the spec or ONNX file whose blocks to charge.",
)
@click.option(
    "--schema",
    type=click.Choice(["report", "diagnosis", "comparison"]),
    is_flag=False,
    flag_value="report",
    help="Print the JSON Schema of report.json, or of another result, instead.",
)
def command(
    results: tuple[Path, ...],
    out: Path | None,
    form: Form | None,
    table: str | None,
    network: Path | None,
    schema: str | None,
) -> None:
    """Render saved results as a page that opens from disk.

    The page needs no network and no engine. Results of different days or devices are
    compared by the same command; a difference between them is a hint and no verdict.
    """
    if schema is not None:
        _say_schema(schema)
        return
    if not results:
        raise UsageError(
            "no result is given",
            hint="resgen report DIR, where resgen profile or diagnose wrote it",
        )
    from resgen.reports.forms import form_of, forms_of, rendered
    from resgen.reports.own import require_own
    from resgen.reports.readers.files import file_of, read

    form = form or ("html" if out is None else form_of(out))
    files = [file_of(path) for path in results]
    found = read(files, network)
    if form == "html" and out is None:
        alone = len(results) == 1
        folder = results[0] if results[0].is_dir() else results[0].parent
        out = (folder if alone else Path()) / forms_of(found).page
        require_own(out.parent, out.name)
    text = rendered(found, form, table)
    if out is None:
        say(text.rstrip("\n"))
        return
    from resgen.files.whole import write_text

    if any(out.resolve() == path.resolve() for path in files):
        raise UsageError(f"{out} is one of the results, and would be overwritten")
    write_text(out, text)
    say(f"{out}  {len(text.encode()) / 1e6:.1f} MB", err=True)


def _say_schema(name: str) -> None:
    from resgen.diagnosis.documents import DIAGNOSIS
    from resgen.document.schema import schema
    from resgen.profiling.documents import COMPARISON, REPORT

    formats = {form.name: form for form in (REPORT, DIAGNOSIS, COMPARISON)}
    say_json(schema(formats[name]))
