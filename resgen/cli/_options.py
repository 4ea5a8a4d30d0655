"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click


class Whole(click.types.IntParamType):
    """A whole number of at least ``minimum``, refused in words of ours."""

    name = "whole number"

    def __init__(self, minimum: int = 1) -> None:
        self.minimum = minimum

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            number = int(value)
        except ValueError:
            number = self.minimum - 1
        if number < self.minimum:
            message = f'"{value}" is not a whole number of at least {self.minimum}'
            self.fail(message, param, ctx)
        return number


Command = TypeVar("Command", bound=Callable[..., Any])


def _assignments(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        if not value.startswith("/") or "=" not in value:
            message = f'"{value}" is not of the form /POINTER=VALUE, such as {_EXAMPLE}'
            raise click.BadParameter(message, ctx, param)
    return values


_EXAMPLE = "/stages/2/depth=23"


set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="/POINTER=VALUE",
    callback=_assignments,
    help=f"Change a part of the spec, as in {_EXAMPLE}; may be repeated.",
)


def spec_options(command: Command) -> Command:
    """``--set`` and the limits, of every command that reads a spec."""
    for add in (
        click.option(
            "--max-parameters",
            type=Whole(),
            metavar="N",
            show_default="2,000,000,000",
            help="Refuse a network with more parameters.",
        ),
        click.option(
            "--max-operators",
            type=Whole(),
            metavar="N",
            show_default="200,000",
            help="Refuse a network with more operators.",
        ),
        set_option,
    ):
        command = add(command)
    return command


def weights_options(command: Command) -> Command:
    """``--weights``, ``--ema`` and ``--seed``, of commands that write a model."""
    for add in (
        click.option(
            "--seed",
            metavar="N",
            type=Whole(0),
            default=0,
            help="For fresh weights.",
        ),
        click.option(
            "--ema", is_flag=True, help="Take the checkpoint's moving average."
        ),
        click.option(
            "--weights",
            metavar="FILE",
            type=click.Path(path_type=Path),
            show_default="fresh ones, drawn from --seed",
            help="A .safetensors or .pth file with torchvision's or timm's names.",
        ),
    ):
        command = add(command)
    return command


def onnx_options(command: Command) -> Command:
    """``--batch``, ``--dynamic`` and ``--opset``, of commands that write ONNX."""
    for add in (
        click.option(
            "--opset",
            metavar="N",
            type=Whole(),
            show_default="the lowest that will do",
            help="Version of the ONNX operators.",
        ),
        click.option(
            "--dynamic",
            is_flag=True,
            help="Leave height and width of the ONNX file open.",
        ),
        click.option(
            "--batch",
            metavar="N",
            type=Whole(),
            show_default="any",
            help="Fix the batch size of the ONNX file.",
        ),
    ):
        command = add(command)
    return command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
)

spec_argument = click.argument("spec", metavar="SPEC")

folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path)
)

images_option = click.option(
    "--images",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Compare on the images of a folder as well.",
)
