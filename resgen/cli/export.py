"""``resgen export``: a network at a precision, for the engine that is to run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from resgen import forms
from resgen.api.asked.making import Exporting
from resgen.api.specs import network, opened
from resgen.cli._options import json_option, option_of, options, quiet_option
from resgen.cli._problems import show, summarize
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.errors import Problem, UsageError
from resgen.options.group import options_of

if TYPE_CHECKING:
    from resgen.artifact.source import Source

Command = TypeVar("Command", bound=Callable[..., Any])
#: What goes on after each step has been said.
_THEN: Final = {"": "starting", "weights": "lowering", "onnx": "verifying"}


def _summaries() -> str:
    return "; ".join(f"{name}, {forms.find(name).summary}" for name in forms.names())


def _form_options(command: Command) -> Command:
    """The options of every form, with the forms that take them."""
    takers: dict[str, list[str]] = {}
    for form in forms.names():
        for name, _ in options_of(forms.find(form).options):
            takers.setdefault(name, []).append(form)
    for form in reversed(forms.names()):
        for name, about in reversed(options_of(forms.find(form).options)):
            if takers[name][0] == form:
                told = f"For {' and '.join(takers[name])}: {about.help}"
                command = option_of(name, replace(about, help=told))(command)
    return command


@click.command(
    epilog="""\b
Examples:
  resgen export resnet50 --to onnx --precision int8 --calibration photos/
  resgen export build/resnet50 --to tensorrt --target rtx-4090,l4 --precision fp16
  resgen export mine.json --to tensorrt --target jetson-orin --precision int8 --bisect
  resgen export model.onnx --to triton

SOURCE is a spec, a folder that `resgen build` made, or an ONNX file of anybody's.
A file below fp32 is compared with the float32 network: operator by operator whether
it is right, and on the calibration images what the precision costs."""
)
@click.argument("source", metavar="SOURCE")
@click.option(
    "--to",
    type=click.Choice(forms.names()),
    required=True,
    help=f"The form to make: {_summaries()}.",
)
@options(Exporting)
@_form_options
@quiet_option
@json_option
def command(source: str, to: str, *, as_json: bool, **given: Any) -> None:
    """Write a network for the engine that is to run it.

    Makes an ONNX file at a precision; from it, if asked, what the form is: TensorRT
    engines for any number of GPUs (or a kit for GPUs that nothing here can build for),
    or a model repository for Triton.
    """
    from resgen.api.export import is_made, run, start

    own = {name for name, _ in options_of(Exporting)}
    source, asked = opened(source, Exporting(**{name: given[name] for name in own}))
    taken = {name for name, _ in options_of(forms.find(to).options)}
    for form in forms.names():
        for name, about in options_of(forms.find(form).options):
            if given[name] != about.default and name not in taken:
                raise UsageError(f"{about.word} is for --to {form}, not for --to {to}")
    kind = forms.find(to).options
    chosen = kind(**{name: given[name] for name, _ in options_of(kind)})
    warnings: tuple[Problem, ...] = ()
    with Progress(_THEN, err=as_json) as progress:
        started: Source | str = source
        if not is_made(source):
            spec, graph, warnings = network(source, asked)
            started = start(spec, graph, asked, to)

        def warn(found: Sequence[Problem]) -> None:
            # ``check`` knows no precision, so what it does not tell is told here.
            known = {(problem.code, problem.place) for problem in warnings}
            for problem in found:
                if (problem.code, problem.place) not in known:
                    show(problem, err=True)
            summarize(warnings, source)

        exported = run(
            started, to, asked, chosen, progress=progress, name=source, warn=warn
        )
    if as_json:
        say_json(exported.to_dict())
        return
    for line in exported.lines():
        say(line)
