"""``resgen report``: saved results as a page, or in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resgen.api.asked.looking import Reporting
from resgen.cli._options import options
from resgen.cli._text import say, say_json
from resgen.words.numbers import size


@click.command(
    epilog="""\b
Examples:
  resgen report build/resnet50-profile
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
@options(Reporting)
@click.option(
    "--schema",
    type=click.Choice(["report", "diagnosis", "comparison"]),
    is_flag=False,
    flag_value="report",
    help="Print the JSON Schema of report.json, or of another result, instead.",
)
def command(results: tuple[Path, ...], *, schema: str | None, **given: Any) -> None:
    """Render saved results as a page that opens from disk.

    The page needs no network and no engine. Results of different days or devices are
    compared by the same command; a difference between them is a hint and no verdict.
    """
    if schema is not None:
        _say_schema(schema)
        return
    from resgen.api.report import report

    found = report(results, **given)
    if found.path is None:
        say(found.text.rstrip("\n"))
    else:
        say(f"{found.path}  {size(len(found.text.encode()))}", err=True)


def _say_schema(name: str) -> None:
    from resgen.diagnosis.documents import DIAGNOSIS
    from resgen.document.schema import schema
    from resgen.profiling.documents import COMPARISON, REPORT

    formats = {form.name: form for form in (REPORT, DIAGNOSIS, COMPARISON)}
    say_json(schema(formats[name]))
