"""What ``resgen doctor`` found, as a record, and as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any, Final

from resgen.machine.components import Component
from resgen.words.numbers import count
from resgen.words.terminal import TEXT, Shown, fitted, printable, style, table

_COLORS: Final = {"ok": "green", "missing": "yellow", "broken": "red"}


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to change: what was seen, and a command or what else mends it."""

    seen: str
    mend: str


@dataclass(frozen=True, slots=True)
class Examination(Shown):
    """What was found; ``now`` is what made the machine unsteady while it was watched.

    ``gpus`` are the states of the GPUs, in the order of the environment's.
    """

    environment: dict[str, Any]
    components: tuple[Component, ...]
    gpus: tuple[dict[str, Any], ...]
    now: tuple[str, ...]
    advice: tuple[Advice, ...]

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen doctor --json`` prints."""
        return asdict(self)

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        return lines(self, width)


def lines(found: Examination, width: int = TEXT) -> Iterator[str]:
    """The machine, what is installed, and what to do."""
    here = found.environment
    system, python = here["system"], here["python"]
    release = system["distribution"] or system["kernel"]
    yield (
        f"{style('resgen', bold=True)} {here['resgen']} on Python "
        f"{python['version']}, {system['system']} ({release}), {system['architecture']}"
    )
    page = min(width, TEXT)
    yield from _section("machine", _wrapped(list(_machine(found)), page))
    for group in ("runtimes", "tools"):
        of_group = [c for c in found.components if c.group == group]
        yield from _section(group, _rows(of_group, width))
    yield from _section("to add", _commands(found))
    yield from _section("better", _advice(found, page))


def _section(title: str, told: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(told):
        if number == 0:
            yield f"\n{style(title, bold=True)}"
        yield line


def _wrapped(rows: Sequence[tuple[str, str]], page: int) -> Iterator[str]:
    """Names and values in two columns, a long value on several lines."""
    wide = max(len(name) for name, _ in rows)
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


def _rows(found: Sequence[Component], width: int) -> Iterator[str]:
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
        cut = fitted(f"  {printable(line)}", width)
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


def _advice(found: Examination, page: int) -> Iterator[str]:
    for advice in found.advice:
        yield from wrap(advice.seen, page - 2, initial_indent="  ")
        yield f"      {advice.mend}"
