"""``resgen doctor``: what this machine has, and how to get what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import click

from resgen.cli._options import json_option
from resgen.cli._text import say, say_json, width
from resgen.words.numbers import count
from resgen.words.terminal import fitted, printable, style, table

if TYPE_CHECKING:
    from resgen.machine.components import Component
    from resgen.machine.examine import Examination

_COLORS: Final = {"ok": "green", "missing": "yellow", "broken": "red"}
#: Columns of running text.
_PAGE: Final = 88


@click.command(
    epilog="""\b
Examples:
  resgen doctor              what is here, what is missing, and how to get it
  resgen doctor --json       the same, for a bug report

No name of a person, of the host or of a folder is shown. The exit code is 0 whatever is
missing."""
)
@json_option
def command(*, as_json: bool) -> None:
    """Show what this machine has, and how to get what it lacks."""
    from resgen.machine.examine import examine

    found = examine()
    if as_json:
        say_json(asdict(found))
    else:
        _show(found)


def _show(found: Examination) -> None:
    here = found.environment
    system, python = here["system"], here["python"]
    release = system["distribution"] or system["kernel"]
    say(
        f"{style('resgen', bold=True)} {here['resgen']} on Python "
        f"{python['version']}, {system['system']} ({release}), {system['architecture']}"
    )
    _section("machine", list(_wrapped(list(_machine(found)))))
    for group in ("runtimes", "tools"):
        _section(group, list(_rows([c for c in found.components if c.group == group])))
    _section("to add", list(_commands(found)))
    _section("better", list(_advice(found)))


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        say(f"\n{style(title, bold=True)}")
    for line in lines:
        say(line)


def _wrapped(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and values in two columns, a long value on several lines."""
    wide = max(len(name) for name, _ in rows)
    page = min(width(), _PAGE)
    for name, value in rows:
        lead = f"  {name:<{wide}}  "
        yield from wrap(
            printable(value),
            page,
            initial_indent=lead,
            subsequent_indent=" " * len(lead),
        )


# --- the machine ----------------------------------------------------------------------


def _machine(found: Examination) -> Iterator[tuple[str, str]]:
    here = found.environment
    chip = here["processor"]
    yield "processor", f"{chip['model'] or 'unknown'}, {_cores(chip)}"
    if chip["flags"]:
        yield "extensions", " ".join(chip["flags"])
    yield "clocks", _clocks(here)
    yield "memory", _memory(here["memory"])
    inside = [here["system"][key] for key in ("virtual", "container")]
    names = ("a virtual machine", "a container")
    told = [
        name if kind == "yes" else f"{name} ({kind})"
        for name, kind in zip(names, inside, strict=True)
        if kind
    ]
    if told:
        yield "inside", ", ".join(told)
    if "jetson" in here:
        yield "Jetson", _jetson(here["jetson"])
    for gpu, state in zip(here["gpus"], found.gpus, strict=True):
        yield f"GPU {gpu['index']}", _gpu(gpu, state)
    if not here["gpus"]:
        yield "GPU", "none that NVIDIA's driver knows"
    if here["settings"]:
        told = [f"{name}={value}" for name, value in here["settings"].items()]
        yield "settings", " ".join(told)
    yield "just now", "; ".join(found.now) or "quiet"


def _cores(chip: dict[str, Any]) -> str:
    """How many cores there are, and how many of them are for this process."""
    physical = chip["physical"] or chip["logical"]
    text = count(physical, "core")
    if chip["logical"] != physical:
        text += f" with {count(chip['logical'], 'thread')}"
    if chip["quota"] is not None:
        text += f", a quota of {chip['quota']:g}"
    if chip["usable"] != physical:
        text += f", {chip['usable']} usable here"
    return text


def _clocks(here: dict[str, Any]) -> str:
    says = here["processor"]["clocks"]
    told = []
    if "governor" in says:
        told.append(f"governor {says['governor']}")
    if "max_hz" in says:
        told.append(f"up to {says['max_hz'] / 1e9:.2f} GHz")
    if "turbo" in says:
        told.append(f"turbo {'on' if says['turbo'] else 'off'}")
    return ", ".join(told) or "not to be seen here"


def _memory(memory: dict[str, int | None]) -> str:
    total, limit = memory["total"], memory["limit"]
    text = "unknown" if total is None else f"{total / 1e9:.1f} GB"
    if limit is not None and (total is None or limit < total):
        text += f", {limit / 1e9:.1f} GB for this container"
    return text


def _gpu(gpu: dict[str, Any], state: dict[str, Any]) -> str:
    told = [gpu.get("name", "unknown"), gpu.get("capability", "")]
    if "memory" in gpu:
        told.append(f"{gpu['memory'] / 1e9:.0f} GB")
    if "driver" in gpu:
        told.append(f"driver {gpu['driver']}")
    if "clock_hz" in state and "max_clock_hz" in gpu:
        now, most = state["clock_hz"] / 1e6, gpu["max_clock_hz"] / 1e6
        told.append(f"{now:.0f} of {most:.0f} MHz")
    if "power_w" in state and "power_limit_w" in gpu:
        told.append(f"{state['power_w']:.0f} of {gpu['power_limit_w']:.0f} W")
    if "temperature_c" in state:
        told.append(f"{state['temperature_c']:.0f} degrees Celsius")
    return ", ".join(part for part in told if part)


def _jetson(says: dict[str, Any]) -> str:
    told = [says.get("release"), says.get("power_mode")]
    if "pinned" in says:
        told.append(f"clocks {'pinned' if says['pinned'] else 'not pinned'}")
    return ", ".join(part for part in told if part)


# --- what is installed, and what to do ------------------------------------------------


def _rows(found: Sequence[Component]) -> Iterator[str]:
    rows = [
        (
            component.state,
            component.name,
            component.version or "",
            _remark(component),
        )
        for component in found
    ]
    for component, line in zip(found, table(rows, left=4), strict=True):
        state = component.state
        cut = fitted(f"  {printable(line)}", width())
        yield cut.replace(state, style(state, fg=_COLORS[state]), 1)


def _remark(component: Component) -> str:
    if component.state == "missing":
        return f"for {component.purpose}"
    return component.detail or ""


def _commands(found: Examination) -> Iterator[str]:
    """Install commands, each once, in the order of their usefulness here."""
    has_gpu = bool(found.environment["gpus"])
    commands: dict[str, list[str]] = {}
    lacking = [c for c in found.components if c.state != "ok"]
    for component in sorted(lacking, key=lambda c: c.needs_gpu and not has_gpu):
        name = component.name
        if component.needs_gpu and not has_gpu:
            name += " (of use with an NVIDIA GPU)"
        commands.setdefault(component.install, []).append(name)
    wide = max(map(len, commands), default=0)
    for command_line, names in commands.items():
        yield f"  {command_line:<{wide}}   {', '.join(names)}"


def _advice(found: Examination) -> Iterator[str]:
    page = min(width(), _PAGE)
    for advice in found.advice:
        yield from wrap(advice.seen, page - 2, initial_indent="  ")
        yield f"      {advice.mend}"
