"""What engines are built for: compute capabilities, and the devices that have them.

The table follows NVIDIA's list of CUDA GPUs (https://developer.nvidia.com/cuda-gpus),
where Jetson Thor is 11.0 since CUDA 13 (it was 10.1 before).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from resgen.errors import MissingComponent, UsageError, did_you_mean
from resgen.machine.device import Device
from resgen.tensorrt.flavor import FLAVORS, Flavor, flavor_of, installed

_DEVICES: Final[Mapping[str, str]] = {
    "sm_72": "jetson-xavier agx-xavier xavier-nx",
    "sm_75": "t4 rtx-2060 rtx-2070 rtx-2080 rtx-2080-ti titan-rtx quadro-rtx-4000 "
    "quadro-rtx-5000 quadro-rtx-6000 quadro-rtx-8000 gtx-1650 gtx-1660 gtx-1660-ti",
    "sm_80": "a100 a30",
    "sm_86": "a2 a10 a16 a40 rtx-a2000 rtx-a4000 rtx-a5000 rtx-a6000 rtx-3050 "
    "rtx-3050-ti rtx-3060 rtx-3060-ti rtx-3070 rtx-3070-ti rtx-3080 rtx-3080-ti "
    "rtx-3090 rtx-3090-ti",
    "sm_87": "jetson-orin agx-orin orin-nano orin-nx jetson-agx-orin jetson-orin-nano "
    "jetson-orin-nx",
    "sm_89": "l4 l40 l40s rtx-4050 rtx-4060 rtx-4060-ti rtx-4070 rtx-4070-super "
    "rtx-4070-ti rtx-4070-ti-super rtx-4080 rtx-4080-super rtx-4090 rtx-2000-ada "
    "rtx-4000-ada rtx-4500-ada rtx-5000-ada rtx-6000-ada",
    "sm_90": "h100 h200 gh200",
    "sm_100": "b200 gb200",
    "sm_103": "b300 gb300",
    "sm_110": "jetson-thor agx-thor jetson-agx-thor",
    "sm_120": "rtx-5050 rtx-5060 rtx-5060-ti rtx-5070 rtx-5070-ti rtx-5080 rtx-5090 "
    "rtx-pro-4000 rtx-pro-4500 rtx-pro-5000 rtx-pro-6000",
    "sm_121": "gb10 dgx-spark",
}
#: The compute capability of every device that is known by name.
DEVICES: Final[Mapping[str, str]] = {
    name: capability for capability, names in _DEVICES.items() for name in names.split()
}
#: Of the compute capabilities that TensorRT for RTX builds for (1.7, tried).
AHEAD: Final = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_120", "sm_121")
#: The least compute capability whose tensor cores take a type.
LEAST: Final[Mapping[str, str]] = {"bf16": "sm_80", "fp8": "sm_89"}

_NUMBER: Final = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)")


def parse_targets(text: str) -> tuple[str, ...]:
    """Compute capabilities, each once, of names and numbers between commas.

    >>> parse_targets("rtx-4090, sm_86, L4, 8.7")
    ('sm_89', 'sm_86', 'sm_87')
    """
    words = [word.strip().lower() for word in text.split(",")]
    if not all(words):
        raise UsageError(
            f'"{text}" names no target', hint="--target sm_89 or --target rtx-4090,t4"
        )
    return tuple(dict.fromkeys(map(_capability, words)))


def _capability(word: str) -> str:
    name = re.sub("[ _]+", "-", word).removeprefix("nvidia-").removeprefix("geforce-")
    if name in DEVICES:
        return DEVICES[name]
    number = _NUMBER.fullmatch(word)
    if number is not None and f"sm_{number[1]}{number[2]}" in _DEVICES:
        return f"sm_{number[1]}{number[2]}"
    near = did_you_mean(name, [*DEVICES, *_DEVICES])
    raise UsageError(
        f'"{word}" is no GPU that is known here{near}',
        hint="name a device, such as rtx-4090, l4, jetson-orin or h100, or its compute "
        f"capability: {', '.join(_DEVICES)}",
    )


def order(capability: str) -> int:
    """What compute capabilities are compared by."""
    return int(capability.removeprefix("sm_"))


def precision_problem(precision: str, capability: str) -> str | None:
    """Why a GPU cannot run a precision, or None where it can.

    >>> precision_problem("fp8", "sm_86")
    'sm_86 has no fp8: that needs sm_89 or newer'
    """
    least = LEAST.get(precision)
    if least is None or order(capability) >= order(least):
        return None
    return f"{capability} has no {precision}: that needs {least} or newer"


def check_precisions(precisions: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse, by name, targets that cannot run a file with these precisions."""
    problems = [
        problem
        for target in targets
        for precision in precisions
        if (problem := precision_problem(precision, target))
    ]
    if problems:
        able = "leave such targets out, or export another precision for them"
        raise UsageError("; ".join(problems), hint=able)


@dataclass(frozen=True, slots=True)
class Division:
    """Targets that can be built for on this machine, and those that want a kit.

    ``flavor`` is what builds the former; None where there are none.
    """

    flavor: Flavor | None
    here: tuple[str, ...]
    elsewhere: tuple[str, ...]


def divide(
    targets: Sequence[str], wanted: str | None, device: Device | None
) -> Division:
    """Who builds for which target.

    The flavour that builds for the most of them is taken, unless one is ``wanted``
    (``tensorrt`` or ``rtx``). With no target the present GPU is meant. A wanted flavour
    that is not installed is a :class:`~resgen.errors.MissingComponent`.
    """
    flavors = installed()
    if wanted is not None:
        asked = flavor_of(wanted)
        if asked not in flavors:
            raise MissingComponent(asked.name, "no engine can be built", asked.install)
        flavors = (asked,)
    if not targets:
        if device is None:
            raise UsageError(
                "no GPU is here that an engine could be built for",
                hint="name one: --target sm_89, or --target rtx-4090,t4",
            )
        targets = (device.capability,)

    def able(flavor: Flavor) -> tuple[str, ...]:
        if flavor.ahead:
            return tuple(t for t in targets if t in AHEAD)
        return tuple(t for t in targets if device and t == device.capability)

    best = max(flavors, key=lambda flavor: len(able(flavor)), default=FLAVORS["rtx"])
    here = able(best) if flavors else ()
    elsewhere = tuple(t for t in targets if t not in here)
    return Division(best if here else None, here, elsewhere)
