"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from resgen.options.group import Group, Option, options_of
from resgen.options.kinds import Kind

Command = TypeVar("Command", bound=Callable[..., Any])
if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # click 8.1 knows it without its type
    _ParamType = click.ParamType


class _Word(_ParamType):
    """A kind of value as click takes it."""

    name = "value"

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value  # a default
        try:
            return self.kind.read(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        if self.kind.metavar in ("FILE", "DIR", "FOLDER", "PATH"):
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(v) for v in self.kind.values if v.startswith(incomplete)]


def options(group: type[Group]) -> Callable[[Command], Command]:
    """The options of a group, for a command that makes the group of them."""

    def add(command: Command) -> Command:
        for name, about in reversed(options_of(group)):
            command = option_of(name, about)(command)
        return command

    return add


def option_of(name: str, about: Option) -> Callable[[Command], Command]:
    """The option of one field of a group."""
    words = [about.word, name] if about.short is None else [
        about.short, about.word, name]  # fmt: skip
    if about.is_flag:
        return click.option(*words, is_flag=True, help=about.help)
    return click.option(
        *words,
        type=_Word(about.kind),
        metavar=about.kind.metavar,
        multiple=about.repeated,
        default=about.default,
        show_default=about.shown or True,
        help=about.help,
    )


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


class Share(click.types.FloatParamType):
    """A share from 0 to 1, written as a number or in per cent."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f'"{value}" is no share, such as 1% or 0.01', param, ctx)
        return share


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
            show_default="16,000",
            help="Refuse a network with more operators.",
        ),
        set_option,
    ):
        command = add(command)
    return command


seed_option = click.option(
    "--seed", metavar="N", type=Whole(0), default=0, help="For fresh weights."
)


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
