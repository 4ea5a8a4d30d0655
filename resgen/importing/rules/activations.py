"""Activations that a source spells out.

Products are taken apart into a number and factors, so that neither their order nor
where a 1/2 or a 1/6 stands is of account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Final

from resgen.importing.rules.net import Net, Part
from resgen.importing.unspoken import Curve
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.clip import Clip
from resgen.ops.multiply import Multiply
from resgen.ops.offset import Offset
from resgen.ops.power import Power
from resgen.ops.scale import Scale

Rule = Callable[[Net, Part], bool]


def factors(net: Net, value: str) -> tuple[float, list[str]]:
    """A product as a number and the values that are multiplied.

    Products that others read, too, are factors of their own.
    """
    number, found, queue = 1.0, list[str](), [value]
    while queue:
        at = queue.pop()
        if (product := net.made(at, Multiply)) and (at == value or net.alone(at)):
            queue += reversed(product[0].inputs)
        elif (scaled := net.made(at, Scale)) and (at == value or net.alone(at)):
            number *= scaled[1].by
            queue.append(scaled[0].inputs[0])
        else:
            found.append(at)
    return number, found


def product(net: Net, part: Part) -> bool:
    """``x sigmoid(x)`` and what else is a product of ``x`` and a function of it."""
    number, found = factors(net, part.value)
    if len(found) != 2:
        return len(found) == 1 and _hard_sigmoid(net, part, number, found[0])
    for x, gate in (found, found[::-1]):
        for read in _GATES:
            told = read(net, x, gate)
            if told is None:
                continue
            op, usual = told
            rest = number / usual
            if net.close(rest, 1.0):
                net.become(part, op, [x])
                return True
            reader = net.readers[part.value]
            if usual == 1.0 or not any(net.made(r, Scale) for r in reader):
                net.become(part, Scale(by=rest), [net.insert(op, [x], part)])
                return True
    return False


def _of(net: Net, value: str, kind: str) -> str | None:
    """What an activation of this type is of."""
    found = net.made(value, Act)
    return found[0].inputs[0] if found and found[1].type == kind else None


def _silu(net: Net, x: str, gate: str) -> tuple[Act, float] | None:
    return (Act(type="silu"), 1.0) if _of(net, gate, "sigmoid") == x else None


def _mish(net: Net, x: str, gate: str) -> tuple[Act, float] | None:
    inner = _of(net, gate, "tanh")
    made = inner is not None and _of(net, inner, "softplus") == x
    return (Act(type="mish"), 1.0) if made else None


def _hard_swish(net: Net, x: str, gate: str) -> tuple[Act, float] | None:
    found = net.made(gate, Act)
    if found and found[0].inputs[0] == x and found[1] == Act(type="hardsigmoid"):
        return Act(type="hardswish"), 1.0
    return (Act(type="hardswish"), 1 / 6) if _ramp(net, gate) == x else None


def _gelu(net: Net, x: str, gate: str) -> tuple[Act, float] | None:
    inner = _less(net, gate, 1.0)
    if inner is None:
        return None
    curve = net.made(inner, Curve)
    if curve and curve[1].of == "Erf":
        number, of = factors(net, curve[0].inputs[0])
        if of == [x] and net.close(number, sqrt(0.5)):
            return Act(type="gelu"), 0.5
        return None
    bent = _of(net, inner, "tanh")
    if bent is not None and _cubic(net, bent, x):
        return Act(type="gelu", approximate=True), 0.5
    return None


_GATES: Final = (_silu, _mish, _hard_swish, _gelu)


def _cubic(net: Net, value: str, x: str) -> bool:
    """Whether a value is ``sqrt(2 / pi) (x + 0.044715 x^3)``."""
    number, found = factors(net, value)
    if not net.close(number, sqrt(2 / pi)):
        return False
    if len(found) == 2 and x in found:  # x (1 + 0.044715 x^2)
        inner = _less(net, found[found[0] == x], 1.0)
        return inner is not None and _power(net, inner, x, 2)
    total = net.made(found[0], Add) if len(found) == 1 else None
    if total is None or len(total[0].inputs) != 2 or x not in total[0].inputs:
        return False
    a, b = total[0].inputs
    return _power(net, b if a == x else a, x, 3)


def _power(net: Net, value: str, x: str, exponent: int) -> bool:
    """Whether a value is ``0.044715 x^exponent``."""
    number, found = factors(net, value)
    if not net.close(number, 0.044715):
        return False
    total = 0.0
    for each in found:
        power = net.made(each, Power)
        if power and power[0].inputs[0] == x:
            total += power[1].exponent
        elif each == x:
            total += 1
        else:
            return False
    return total == exponent


def _less(net: Net, value: str, number: float) -> str | None:
    """What a value is the sum of with this number."""
    found = net.made(value, Offset)
    return found[0].inputs[0] if found and net.close(found[1].by, number) else None


def _ramp(net: Net, value: str) -> str | None:
    """What a value is ``clip(x + 3, 0, 6)`` of."""
    inner = _of(net, value, "relu6")
    return None if inner is None else _less(net, inner, 3.0)


def _hard_sigmoid(net: Net, part: Part, number: float, gate: str) -> bool:
    x = _ramp(net, gate)
    if x is None or not net.close(number, 1 / 6):
        return False
    net.become(part, Act(type="hardsigmoid"), [x])
    return True


def powers(net: Net, part: Part) -> bool:
    """``x x`` and ``x^a x^b`` are powers of ``x``."""
    if len(part.inputs) != 2:
        return False
    bases, total = set(), 0.0
    for value in part.inputs:
        power = net.made(value, Power)
        exponent = power[1].exponent if power else 1.0
        bases.add(power[0].inputs[0] if power else value)
        total += exponent
        if exponent <= 0 or exponent != int(exponent):
            return False
    if len(bases) != 1:
        return False
    net.become(part, Power(exponent=total), [bases.pop()])
    return True


def power_of_power(net: Net, part: Part) -> bool:
    """``(x^a)^b`` where what is in between cannot be negative."""
    outer = net.made(part.value, Power)
    inner = net.made(part.inputs[0], Power)
    if outer is None or inner is None or inner[1].exponent != 0.5:
        return False
    exponent = outer[1].exponent * 0.5
    if exponent == 1:
        return False  # not of a negative number
    net.become(part, Power(exponent=exponent), [inner[0].inputs[0]])
    return True


def clips(net: Net, part: Part) -> bool:
    """Bounds of bounds, of which relu is one, and ramps that are hard sigmoids."""
    found = net.made(part.value, Clip)
    if found is None:
        return False
    low, high = found[1].min, found[1].max
    (x,) = part.inputs
    if _of(net, x, "relu") is not None and low is None:
        low, x = 0, net.parts[x].inputs[0]
    elif inner := net.made(x, Clip):
        if (low is None) == (inner[1].min is None):
            return False
        low = inner[1].min if low is None else low
        high = inner[1].max if high is None else high
        x = inner[0].inputs[0]
    elif (low, high) == (0, 1):
        return _ramped(net, part, x)
    else:
        return False
    if low is not None and high is not None and low >= high:
        return False
    named = low is not None and (low, high) in ((0, 6), (-1, 1))
    kind = "relu6" if high == 6 else "hardtanh"
    net.become(part, Act(type=kind) if named else Clip(min=low, max=high), [x])
    return True


def _ramped(net: Net, part: Part, value: str) -> bool:
    """``clip(gain x + offset, 0, 1)`` is a hard sigmoid."""
    moved = net.made(value, Offset)
    if moved is None:
        return False
    scaled = net.made(moved[0].inputs[0], Scale)
    if scaled is None:
        return False
    gain, offset = scaled[1].by, moved[1].by
    usual = net.close(gain, 1 / 6)
    op = Act(
        type="hardsigmoid",
        gain=None if usual else gain,
        offset=None if net.close(offset, 0.5) else offset,
    )
    net.become(part, op, scaled[0].inputs)
    return True


def scaled_twice(net: Net, part: Part) -> bool:
    """Two fixed factors are one."""
    outer, inner = net.made(part.value, Scale), net.made(part.inputs[0], Scale)
    if outer is None or inner is None:
        return False
    by = outer[1].by * inner[1].by
    if abs(by - 1) < 1e-7:
        net.bypass(part, inner[0].inputs[0])
    else:
        net.become(part, Scale(by=by), inner[0].inputs)
    return True


ACTIVATIONS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "multiply": (powers, product),
    "scale": (scaled_twice, product),
    "power": (power_of_power,),
    "clip": (clips,),
}
