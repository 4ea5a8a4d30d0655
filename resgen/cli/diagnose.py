"""``resgen diagnose``: whether a network will train, and which block is at fault."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from resgen.api.asked.diagnose import Diagnosing
from resgen.cli._failures import interrupted
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import carries_unicode, say, say_json, width
from resgen.words.terminal import style

if TYPE_CHECKING:
    from resgen.records.diagnosis import Diagnosis


@click.command(
    epilog="""\b
Examples:
  resgen diagnose resnet56_cifar
  resgen diagnose mine.json --against plain
  resgen diagnose plain56_cifar --against resnet56_cifar --train 150
  resgen diagnose mine.json --data photos/ --lr 0.1 --seeds 5

SPEC is a spec, the name of a network of the zoo, or a folder that `resgen build` made;
its weights are drawn fresh, from one seed after the other. `--against plain` takes the
shortcuts out; --set changes all specs. A folder of photos has a sub-folder for each
class; an .npz file holds an array of inputs and one of labels. Without --data, the
handwritten digits of scikit-learn are resized to the input.

Exit code 0: it was looked at, whatever the verdict; 1: the spec or the data are at
fault; 3: torch is not here."""
)
@click.argument("source", metavar="SPEC|DIR")
@options(Diagnosing)
@quiet_option
@json_option
def command(source: str, *, as_json: bool, **given: Any) -> int | None:
    """Tell whether a network will train, block by block.

    Looks at activations and gradients before the first step, says what stands in the
    way and how to mend it, and writes diagnosis.html and diagnosis.json.
    """
    from resgen.api.diagnose import run
    from resgen.diagnosis.documents import PAGE

    begin = time.perf_counter()
    with Progress({"": "reading"}, err=as_json) as progress:
        asked = Diagnosing(**given)
        found = run(source, asked, progress=progress, default_out="build/{}-diagnosis")
    if as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines(width(), unicode=carries_unicode()):
            say(line)
        say()
        for path in found.weights:
            say(f"weights   {path}")
        took = time.perf_counter() - begin
        say(f"{style(f'{found.folder}/', bold=True)}  in {took:.1f} s")
        page = shlex.quote(f"{found.folder}/{PAGE}")
        say(f"next: {' · '.join((f'open {page}', *_next(found.diagnosis)))}")
    if found.interrupted:
        say("interrupted; what was seen until then is in the report, and --resume goes"
            " on", err=True)  # fmt: skip
        return interrupted()
    return None


def _next(found: Diagnosis) -> Iterator[str]:
    """What to do next, a command or an option each."""
    from resgen.reports.diagnosis.arms import adds

    codes = [finding.code for arm in found.arms for finding in arm.findings]
    if codes:
        yield f"`resgen check --explain {codes[0]}` tells more"
    if len(found.arms) == 1 and any(map(adds, found.arms)):
        yield "--against plain shows what the shortcuts are good for"
    elif not found.settings["steps"]:
        yield "--train 150 shows whether it is true"
