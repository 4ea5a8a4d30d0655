"""Codes, commands and functions: each page is made of what the program itself says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from itertools import groupby

import click
from catalogue import ask
from page import Page, code, fenced, plain, table

import resgen
from resgen.cli import main
from resgen.diagnosis.verdict.findings import VERDICT
from resgen.graph.check import EXPLANATIONS

#: What codes with the same first digit are about.
ABOUT = {
    "0": "Reading a spec",
    "1": "Shapes and structure",
    "2": "Whether it is a good network",
    "4": "Whether it will train",
}


def codes() -> Page:
    """Every code, as `resgen check --explain CODE` tells it."""
    names = sorted({*EXPLANATIONS, *VERDICT})
    text = [
        "# What every code means",
        "`resgen check` and `resgen diagnose` give every problem a code that keeps its "
        "meaning. `resgen check --explain RG104` shows in the terminal what stands "
        "here.",
    ]
    for digit, group in groupby(names, lambda name: name[2]):
        text.append(f"## {ABOUT[digit]}")
        for name in group:
            found = ask("check", "--explain", name)
            text.append(f"### {name}")
            text.append(f"**{plain(found['title'])}** ({found['severity']})")
            text.append(_prose(found["text"]))
    return Page.of("codes", *text)


def commands() -> Page:
    """Every command, from its own help."""
    text = [
        "# Commands",
        "SPEC is a file, or the name of a [network that comes along](networks.html). "
        "`resgen COMMAND --help` shows the same.",
        table(
            ("exit code", "means"),
            (
                ("0", "done"),
                ("1", "the input or the result is at fault"),
                ("2", "wrong usage of the command"),
                ("3", "a component is missing; the message says how to install it"),
                ("130, 143", "interrupted, terminated; nothing half-written is left"),
            ),
        ),
    ]
    top = click.Context(main, info_name="resgen")
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        if command is not None:
            text += _command(command, click.Context(command, top, info_name=name))
    return Page.of("commands", *text)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## resgen {context.info_name}"
    yield from map(plain, inspect.cleandoc(command.help or "").split("\n\n"))
    usage = command.collect_usage_pieces(context)
    yield fenced(" ".join((context.command_path, *usage)))
    told = (param.get_help_record(context) for param in command.get_params(context))
    rows = ((code(name), plain(text)) for name, text in filter(None, told) if text)
    yield table(("option", ""), rows)
    for part in inspect.cleandoc(command.epilog or "").split("\n\n"):
        head, _, shown = part.removeprefix("\b\n").partition(":\n")
        yield f"{plain(head)}:" if shown else plain(head)
        if shown:
            yield fenced(inspect.cleandoc(shown), "bash")


def functions() -> Page:
    """The public names, from their docstrings."""
    text = [
        "# Python",
        _docstring(resgen),
        "Errors are [ResgenError](#resgenerror) and tell what is at fault and what "
        "mends it. `import resgen` loads neither torch nor onnx: a function loads what "
        "it needs when it is called.",
    ]
    public = [(name, getattr(resgen, name)) for name in resgen.__all__]
    for name, found in sorted(public, key=lambda each: isinstance(each[1], type)):
        if callable(found):
            text += _callable(name, found)
    return Page.of("python", *text)


def _callable(name: str, found: object) -> Iterator[str]:
    yield f"## {name}"
    if not (isinstance(found, type) and issubclass(found, Exception)):
        yield fenced(_signature(name, found), "python")
    yield _docstring(found)


def _signature(name: str, found: object) -> str:
    """The call, an argument a line where it is long."""
    shown = inspect.signature(found)  # type: ignore[arg-type]
    if isinstance(found, type):
        shown = shown.replace(return_annotation=inspect.Signature.empty)
    line = _unquoted(f"resgen.{name}{shown}")
    if len(line) <= 88:
        return line
    starred = False
    lines = []
    for param in shown.parameters.values():
        if param.kind is param.KEYWORD_ONLY and not starred:
            starred = True
            lines.append("    *,")
        lines.append(f"    {param},")
    end = shown.return_annotation
    given = "" if end is shown.empty else f" -> {end}"
    return _unquoted("\n".join((f"resgen.{name}(", *lines, f"){given}")))


def _unquoted(signature: str) -> str:
    """Annotations that are kept as text, as they were written."""
    return re.sub(r"(: |-> )'([^']+)'", r"\1\2", signature)


def _docstring(found: object) -> str:
    return _prose(inspect.getdoc(found) or "")


def _prose(text: str) -> str:
    """A docstring as Markdown: roles are names, indented and prompted text is code."""
    text = re.sub(r":\w+:`~?([^`]*?)([^`.]+)`", r"``\2``", text)
    text = re.sub(r"^:raises? ([\w.]+):", r"Raises ``\1``:", text, flags=re.M)
    text = re.sub(r"^:param (\w+):", r"``\1``:", text, flags=re.M)
    parts = []
    for part in re.split(r"\n{2,}", text):
        if part.startswith(">>>"):
            parts.append(fenced(part, "python"))
        elif part.startswith((" ", "\t")):
            parts.append("\n".join(f"    {line}" for line in _dedented(part)))
        else:
            parts.append(_escaped(part))
    return "\n\n".join(parts)


def _dedented(part: str) -> list[str]:
    return inspect.cleandoc(part).splitlines()


def _escaped(part: str) -> str:
    """Markup outside code is shown as it is written."""
    pieces = re.split(r"(``.+?``|`[^`]+`)", part, flags=re.S)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", piece)
        for piece in pieces
    )
