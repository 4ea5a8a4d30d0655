"""``resgen check``: every problem of a spec, with its place and a mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from resgen.api.asked.looking import Checking
from resgen.cli._options import json_option, options
from resgen.cli._problems import show
from resgen.cli._text import say, say_json
from resgen.errors import Problem, UsageError
from resgen.reports.problems.terminal import tally

if TYPE_CHECKING:
    from resgen.expansion.network import Examined


@click.command(
    epilog="""\b
Examples:
  resgen check specs/mine.json
  resgen check resnet50 --set /stages/2/depth=23
  resgen check specs/*.json --format github
  resgen check --explain RG104

--explain knows the codes of `resgen diagnose` as well. In a workflow of GitHub Actions,
--format github marks the lines of a pull request; sarif (2.1.0) is what code hosts and
editors take.

Exit code 0: no errors (there may be warnings); 1: at least one."""
)
@click.argument("specs", metavar="SPEC...", nargs=-1)
@options(Checking)
@click.option(
    "--explain", metavar="CODE", help="Tell what a code such as RG104 means, and stop."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    show_default="text",
    help="How problems are told.",
)
@json_option
def command(
    specs: tuple[str, ...],
    *,
    explain: str | None,
    form: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """List every mistake of a spec, with its line and a mend.

    SPEC is a file, a folder that resgen made or the name of a network that comes along.
    Problems are printed as FILE:LINE:COLUMN: CODE severity: message, which editors can
    follow.
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json is --format json, and not {form}")
    form = "json" if as_json else form or "text"
    if explain is not None:
        return _explain(explain, specs, form)
    if not specs:
        raise click.UsageError("name a SPEC to check, or a code to --explain")
    from resgen.api.check import failed
    from resgen.api.specs import checked

    asked = Checking(**given)
    found: list[Problem] = []
    for spec in specs:
        made = checked(spec, asked)
        found.extend(made.problems)
        _say(spec, made, form)
    if form == "json":
        say_json([problem.to_dict() for problem in found])
    elif form == "sarif":
        from resgen.reports.problems.sarif import document

        say_json(document(found))
    elif form == "text" and found:
        code = min(found, key=lambda p: p.severity).code  # an error, if there is one
        say(f"{tally(found)}. `resgen check --explain {code}` tells more.")
    return int(failed(found, asked))


def _say(spec: str, made: Examined, form: str) -> None:
    """What is said as soon as a spec was read."""
    if form == "text":
        for problem in made.problems:
            show(problem)
        if not made.problems and made.graph is not None:
            from resgen.graph.outputs import shapes, spoken

            outputs = shapes(made.graph)
            names = f"; {', '.join(spoken(outputs))}" if len(outputs) > 1 else ""
            say(f"{spec}: ok{names}")
    elif form == "github":
        from resgen.reports.problems.github import line

        for problem in made.problems:
            say(line(problem))


def _explain(code: str, specs: tuple[str, ...], form: str) -> int:
    from resgen.diagnosis.verdict.findings import VERDICT
    from resgen.graph.check import EXPLANATIONS, explain

    if specs:
        raise click.UsageError("--explain takes a code and no SPEC")
    if form not in ("text", "json"):
        raise UsageError(f"--explain is told as text or json, and not as {form}")
    known = {**EXPLANATIONS, **VERDICT}
    text = explain(code, known)
    if form == "json":
        found = known[code.upper()]
        fields = ("code", "severity", "title", "text")
        say_json({name: getattr(found, name) for name in fields})
    else:
        say(text)
    return 0
