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
from resgen.machine.device import Device, present
from resgen.tensorrt.flavor import FLAVORS, Flavor, flavor_of, installed

_DEVICES: Final[Mapping[str, str]] = {
    "sm_75": "t4 t400 t500 t600 t1000 t1200 t2000 rtx-2060 rtx-2060-super rtx-2070 "
    "rtx-2070-super rtx-2080 rtx-2080-super rtx-2080-ti titan-rtx quadro-rtx-3000 "
    "quadro-rtx-4000 quadro-rtx-5000 quadro-rtx-6000 quadro-rtx-8000 gtx-1650 "
    "gtx-1650-super gtx-1650-ti gtx-1660 gtx-1660-super gtx-1660-ti",
    "sm_80": "a100 a100x a800 a30 a30x",
    "sm_86": "a2 a10 a10g a10m a16 a40 rtx-a400 rtx-a500 rtx-a1000 rtx-a2000 rtx-a3000 "
    "rtx-a4000 rtx-a4500 rtx-a5000 rtx-a5500 rtx-a6000 rtx-2050 rtx-3050 rtx-3050-ti "
    "rtx-3060 rtx-3060-ti rtx-3070 rtx-3070-ti rtx-3080 rtx-3080-ti rtx-3090 "
    "rtx-3090-ti",
    "sm_87": "orin jetson-orin agx-orin orin-nano orin-nx jetson-agx-orin "
    "jetson-orin-nano jetson-orin-nx orin-nano-super jetson-orin-nano-super",
    "sm_89": "l2 l4 l20 l40 l40g l40s rtx-4050 rtx-4060 rtx-4060-ti rtx-4070 "
    "rtx-4070-super rtx-4070-ti rtx-4070-ti-super rtx-4080 rtx-4080-super rtx-4090 "
    "rtx-4090-d rtx-500-ada rtx-1000-ada rtx-2000-ada rtx-3000-ada rtx-3500-ada "
    "rtx-4000-ada rtx-4000-sff-ada rtx-4500-ada rtx-5000-ada rtx-5880-ada rtx-6000-ada",
    "sm_90": "h20 h100 h200 h800 gh200",
    "sm_100": "b200 gb200",
    "sm_103": "b300 gb300",
    "sm_110": "thor jetson-thor agx-thor jetson-agx-thor jetson-t4000 jetson-t5000",
    "sm_120": "rtx-5050 rtx-5060 rtx-5060-ti rtx-5070 rtx-5070-ti rtx-5080 rtx-5090 "
    "rtx-5090-d rtx-pro-500 rtx-pro-1000 rtx-pro-2000 rtx-pro-3000 rtx-pro-4000 "
    "rtx-pro-4500 rtx-pro-5000 rtx-pro-6000",
    "sm_121": "gb10 dgx-spark",
}
#: GPUs that no supported TensorRT runs on that takes strongly typed networks: Pascal
#: ended before 10, Volta with 10.4 (its release notes), Xavier with JetPack 5 and 8.5.
_TOO_OLD: Final[Mapping[str, str]] = {
    "sm_61": "p4 p40 gtx-1050 gtx-1050-ti gtx-1060 gtx-1070 gtx-1070-ti gtx-1080 "
    "gtx-1080-ti",
    "sm_60": "p100",
    "sm_62": "jetson-tx2",
    "sm_53": "jetson-nano jetson-tx1",
    "sm_70": "v100 titan-v",
    "sm_72": "xavier jetson-xavier agx-xavier xavier-nx jetson-agx-xavier "
    "jetson-xavier-nx",
}
#: The compute capability of every device that is known by name.
DEVICES: Final[Mapping[str, str]] = {
    name: capability for capability, names in _DEVICES.items() for name in names.split()
}
_OLD: Final = {n for sm, names in _TOO_OLD.items() for n in (sm, *names.split())}
#: Of the compute capabilities that TensorRT for RTX builds for (1.7, tried).
AHEAD: Final = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_120", "sm_121")
#: The least compute capability whose tensor cores take a type.
LEAST: Final[Mapping[str, str]] = {"bf16": "sm_80", "fp8": "sm_89"}

_NUMBER: Final = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)")
_RUNS: Final = re.compile(r"[a-z]+|\d+")
#: What drivers and shops add to a name, and no compute capability depends on.
_TRIMMINGS: Final = re.compile(
    r"^(nvidia|geforce|tesla)-|-(gpu|laptop|mobile|max-q|generation|edition|blackwell|"
    r"workstation|server|pcie|sxm\d?|nvl|hbm\d\w*|\d+gb)(?=-|$)"
)
#: How many names an answer lists.
_LISTED: Final = 6


def parse_targets(text: str) -> tuple[str, ...]:
    """Compute capabilities, each once, of names and numbers between commas.

    >>> parse_targets("rtx-4090, sm_86, L4, 8.7, NVIDIA A100-SXM4-80GB")
    ('sm_89', 'sm_86', 'sm_87', 'sm_80')
    """
    words = [word.strip().lower() for word in text.split(",")]
    if not all(words):
        raise UsageError(f'"{text}" names no target', hint="as in sm_89 or rtx-4090,t4")
    return tuple(dict.fromkeys(map(_capability, words)))


def _capability(word: str) -> str:
    name = re.sub("[ _]+", "-", word)
    while (trimmed := _TRIMMINGS.sub("", name)) != name:
        name = trimmed
    number = _NUMBER.fullmatch(word)
    known = f"sm_{number[1]}{number[2]}" if number is not None else name
    if known in _DEVICES or known in DEVICES:
        return DEVICES.get(known, known)
    if known in _OLD:
        raise UsageError(
            f"{word} is too old: the TensorRT that engines and kits need runs on sm_75 "
            "and newer",
            hint="export ONNX for it",
        )
    meant = _meant(_RUNS.findall(name))
    if len({DEVICES[device] for device in meant}) == 1:
        return DEVICES[meant[0]]
    hint = (
        "name a device, such as rtx-4090, l4, jetson-orin or h100, or its compute "
        f"capability: {', '.join(_DEVICES)}"
    )
    if meant:
        several = [f"{device} ({DEVICES[device]})" for device in meant[:_LISTED]]
        more = ", ..." if len(meant) > _LISTED else ""
        raise UsageError(
            f'"{word}" is the name of several GPUs: {", ".join(several)}{more}',
            hint=hint,
        )
    raise UsageError(f'"{word}" is no GPU that is known here{_typo(name)}', hint=hint)


def _meant(runs: Sequence[str]) -> list[str]:
    """Devices whose names hold these letters and numbers, or those that are just them.

    >>> _meant(["rtx", "4090"]), _meant(["a", "6000"])
    (['rtx-4090'], ['rtx-a6000'])
    """
    if not any(map(str.isdigit, runs)):
        return []
    found = []
    for device in DEVICES:
        theirs = _RUNS.findall(device)
        if theirs == runs or theirs == ["rtx", *runs]:
            return [device]
        rest = iter(theirs)
        if all(run in rest for run in runs):
            found.append(device)
    return found


def _typo(name: str) -> str:
    """A device whose name has two digits exchanged, or a long word spelled otherwise.

    Whoever writes another number, or another short word (``h20``, ``v100``), means
    another GPU.
    """

    def alike(a: str, b: str) -> bool:
        if b.isdigit():
            return len(b) > 3 and sorted(a) == sorted(b)
        return len(b) > 2 and bool(did_you_mean(a, [b]))

    runs, near = _RUNS.findall(name), []
    for device in DEVICES:
        theirs = _RUNS.findall(device)
        if len(theirs) == len(runs) and all(
            a == b or alike(a, b) for a, b in zip(runs, theirs, strict=True)
        ):
            near.append(device)
    return did_you_mean(name, near)


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
                hint="name one, as in sm_89, or several: rtx-4090,t4",
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


def divided(
    targets: Sequence[str],
    flavor: str | None,
    precisions: Sequence[str],
    number: int = 0,
) -> Division:
    """Who builds for which target; a target that lacks a precision is refused.

    ``number`` is the GPU of this machine that can be built for.
    """
    check_precisions(precisions, targets)
    found = divide(targets, flavor, present(number))
    check_precisions(precisions, (*found.here, *found.elsewhere))
    return found
