"""``resgen diagnose``: whether a network will train, and which block is at fault."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import click

from resgen.cli._options import Whole, json_option, set_option
from resgen.cli._progress import Progress


class Rate(click.types.FloatParamType):
    """A learning rate, refused in words of ours if it is none."""

    name = "learning rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            number = nan
        if not 0 < number < inf:
            self.fail(f'"{value}" is not a number above 0, such as 0.05', param, ctx)
        return number


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
@click.option(
    "--against",
    metavar="SPEC|plain",
    multiple=True,
    help="Another network to look at beside it, or the same without its shortcuts; "
    "may be repeated.",
)
@click.option(
    "--data",
    metavar="digits|FOLDER|FILE.npz",
    show_default="digits",
    help="What it is to learn from.",
)
@click.option("--seeds", metavar="N", type=Whole(), default=3, help="How many seeds.")
@click.option(
    "--train",
    "steps",
    metavar="STEPS",
    type=Whole(),
    help="Train each network from each seed for so many steps, and test the learning "
    "rates that it bears.",
)
@click.option(
    "--lr",
    "rate",
    metavar="RATE",
    type=Rate(),
    default=0.05,
    help="The learning rate that it is meant for (SGD, momentum 0.9).",
)
@click.option(
    "--batch",
    metavar="N",
    type=Whole(8),
    show_default="64, fewer for a large network",
    help="Inputs in a batch.",
)
@click.option(
    "--threads",
    metavar="N",
    type=Whole(),
    show_default="the cores that nobody else keeps busy; with --resume as before",
    help="How many threads one operator uses.",
)
@click.option(
    "--no-lr-test",
    "no_rate_test",
    is_flag=True,
    help="With --train: leave out the test of learning rates.",
)
@click.option(
    "--output",
    metavar="NAME",
    help="The output whose loss is taken, where a network has several.",
)
@set_option
@click.option(
    "--resume", is_flag=True, help="Go on with training that was interrupted."
)
@click.option(
    "--keep-weights",
    is_flag=True,
    help="Keep the trained weights, for `resgen build --weights`.",
)
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    show_default="build/NAME-diagnosis",
    help="The folder for diagnosis.html and diagnosis.json.",
)
@json_option
def command(source: str, *, as_json: bool, **chosen: Any) -> int | None:
    """Tell whether a network will train, block by block.

    Looks at activations and gradients before the first step, says what stands in the
    way and how to mend it, and writes diagnosis.html and diagnosis.json.
    """
    from resgen.cli._diagnose import Chosen, run

    with Progress({"": "reading"}, err=as_json) as progress:
        return run(Chosen(source, as_json=as_json, **chosen), progress)
