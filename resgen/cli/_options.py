"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

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
        return click.option(
            *words,
            is_flag=True,
            flag_value=not about.default,
            default=about.default,
            show_default=False,
            help=about.help,
        )
    return click.option(
        *words,
        type=_Word(about.kind),
        metavar=about.kind.metavar,
        multiple=about.repeated,
        default=about.default,
        show_default=about.shown or True,
        help=about.help,
    )


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
)

QUIET: Final = "resgen.quiet"
#: Of all commands that tell what they are doing.
quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=lambda ctx, param, value: ctx.meta.update({QUIET: value}),
    help="Tell no steps, only what came of them.",
)

spec_argument = click.argument("spec", metavar="SPEC")

folder_argument = click.argument("folder", metavar="DIR")
