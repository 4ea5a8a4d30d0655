"""``resgen check``: every problem of a spec, with its place and a mend."""

from __future__ import annotations

import click

from resgen.api.specs import listed
from resgen.cli._options import json_option, spec_options
from resgen.cli._problems import record, show, tally
from resgen.cli._text import say, say_json
from resgen.errors import Problem


@click.command(
    epilog="""\b
Examples:
  resgen check specs/mine.json
  resgen check resnet50 --set /stages/2/depth=23
  resgen check --explain RG104

--explain knows the codes of `resgen diagnose` as well.

Exit code 0: no errors (there may be warnings); 1: at least one."""
)
@click.argument("specs", metavar="SPEC...", nargs=-1)
@spec_options
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@click.option(
    "--explain", metavar="CODE", help="Tell what a code such as RG104 means, and stop."
)
@json_option
def command(
    specs: tuple[str, ...],
    assignments: tuple[str, ...],
    max_operators: int | None,
    max_parameters: int | None,
    *,
    strict: bool,
    explain: str | None,
    as_json: bool,
) -> int:
    """List every mistake of a spec, with its line and a mend.

    SPEC is a file or the name of a network that comes with resgen. Problems are printed
    as FILE:LINE:COLUMN: CODE severity: message, which editors can follow.
    """
    if explain is not None:
        return _explain(explain, specs, as_json=as_json)
    if not specs:
        raise click.UsageError("name a SPEC to check, or a code to --explain")
    found: list[Problem] = []
    for spec in specs:
        problems = listed(spec, assignments, max_operators, max_parameters)
        found.extend(problems)
        if not as_json:
            for problem in problems:
                show(problem)
            if not problems:
                say(f"{spec}: ok")
    if as_json:
        say_json([record(problem) for problem in found])
    elif found:
        code = min(found, key=lambda p: p.severity).code  # an error, if there is one
        say(f"{tally(found)}. `resgen check --explain {code}` tells more.")
    return int(any(strict or problem.severity == "error" for problem in found))


def _explain(code: str, specs: tuple[str, ...], *, as_json: bool) -> int:
    from resgen.diagnosis.verdict.explanations import VERDICT
    from resgen.graph.check import EXPLANATIONS, explain

    if specs:
        raise click.UsageError("--explain takes a code and no SPEC")
    known = {**EXPLANATIONS, **{found.code: found for found in VERDICT}}
    text = explain(code, known)
    if as_json:
        found = known[code.upper()]
        fields = ("code", "severity", "title", "text")
        say_json({name: getattr(found, name) for name in fields})
    else:
        say(text)
    return 0
