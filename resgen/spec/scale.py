"""``scale``: a network that is extended, made wider, deeper or for larger pictures.

As compound scaling has it (Tan and Le 2019, EfficientNet): widths are multiplied and
rounded to what hardware likes, depths are multiplied and rounded up. A family that
names its multipliers ``width`` and ``depth`` in ``let`` rounds as it says itself; of
any other network the stages are scaled, and stem and head stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from resgen.spec.places import describe
from resgen.spec.source import Json, Problems

#: How a scaled width is rounded, by name: to a multiple of 8 and never below nine
#: tenths (EfficientNet and MobileNet), to the nearest multiple of 8 (RegNet), or to the
#: nearest whole number.
ROUNDINGS: Final[Mapping[str, str]] = {
    "divisible": "divisible({}, 8)",
    "nearest": "max(8, round(({}) / 8) * 8)",
    "whole": "max(1, round({}))",
}
#: Keys of ``scale``.
KEYS: Final = ("width", "depth", "resolution", "rounding")

Members = dict[str, Json]


def scaled(base: Json, scale: Json, problems: Problems) -> Json:
    """The tree of a spec with what ``scale`` says done to it; mistakes are reported."""
    if not isinstance(scale.value, dict) or not isinstance(base.value, dict):
        problems.mistyped(scale, f'"scale" is an object of {", ".join(KEYS)}')
        return base
    for key, item in scale.value.items():
        if key not in KEYS:
            message = f'"{key}" is not a key of "scale"'
            hint = "known here: " + ", ".join(KEYS)
            problems.error("RG010", message, item.place(key=True), hint)
    members = dict(base.value)
    rounding = scale.value.get("rounding")
    form = ROUNDINGS["divisible"]
    if rounding is not None:
        known = ROUNDINGS.get(str(rounding.value))
        if known is None:
            message = f"{describe(rounding.value)} is no rounding"
            hint = "there are: " + ", ".join(ROUNDINGS)
            problems.error("RG013", message, rounding.place(), hint)
        form = known or form
    for key, by in (("width", form), ("depth", "ceil({})")):
        factor = _factor(scale.value.get(key), problems)
        if factor is not None:
            _multiply(members, key, factor, by, scale.value[key], problems)
    _resize(members, scale.value.get("resolution"), problems)
    return replace(base, value=members)


def _factor(at: Json | None, problems: Problems) -> Fraction | None:
    if at is None or at.value is None:
        return None
    value = at.value
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        problems.mistyped(at, "a factor is a number")
    elif not 0 < value < 1000:
        message = f"a factor lies between 0 and 1000, not at {float(value):g}"
        problems.error("RG013", message, at.place())
    else:
        return Fraction(value)
    return None


def _multiply(
    members: Members,
    key: str,
    factor: Fraction,
    form: str,
    at: Json,
    problems: Problems,
) -> None:
    single = members.get("widths") if key == "width" else None
    if single is not None and isinstance(single.value, dict):
        value = {path: _product(at, factor, form) for path, at in single.value.items()}
        members["widths"] = replace(single, value=value)
    let = members.get("let")
    if let is not None and isinstance(let.value, dict) and key in let.value:
        own = let.value[key]
        product = _product(own, factor, "{}")
        members["let"] = replace(let, value={**let.value, key: product})
        return
    found = []

    def of(holder: Json) -> Json:
        if not isinstance(holder.value, dict) or key not in holder.value:
            return holder
        found.append(holder)
        made = _product(holder.value[key], factor, form)
        return replace(holder, value={**holder.value, key: made})

    if "defaults" in members:
        members["defaults"] = of(members["defaults"])
    stages = members.get("stages")
    if stages is not None and isinstance(stages.value, list):
        members["stages"] = replace(stages, value=[of(s) for s in stages.value])
    if not found:
        message = f'no stage of the network has a "{key}", and "let" names none'
        hint = f'a family that scales says "let": {{"{key}": 1}} and uses it'
        problems.error("RG017", message, at.place(key=True), hint)


def _product(at: Json, factor: Fraction, form: str) -> Json:
    """A value times the factor, as an expression; of a list, each."""
    value: Any = at.value
    if isinstance(value, list):
        return replace(at, value=[_product(item, factor, form) for item in value])
    if value is None or isinstance(value, bool | dict):
        return at  # nothing that can be multiplied: said where it is read
    return replace(at, value=form.format(f"({value}) * ({factor})"))


def _resize(members: Members, at: Json | None, problems: Problems) -> None:
    if at is None or at.value is None:
        return
    if isinstance(at.value, bool) or not isinstance(at.value, int) or at.value < 1:
        problems.mistyped(at, "a resolution is a number of pixels")
        return
    shape = members.get("input")
    if shape is not None and isinstance(shape.value, list):
        sizes = [replace(at, key=None) for _ in shape.value[1:]]
        members["input"] = replace(shape, value=[*shape.value[:1], *sizes])
