"""Rules that put the many spellings of one thing into the one that a spec has.

Both readers write small operators (a product, a fixed summand, a power), and these
rules find what was meant: activations, norms, shuffles, biases. Each gives a value
another operator that computes the same, until none applies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from resgen.importing.flat import Flat
from resgen.importing.rules.activations import ACTIVATIONS
from resgen.importing.rules.attention import ATTENTION
from resgen.importing.rules.maps import MAPS, edged
from resgen.importing.rules.net import Net, Part
from resgen.importing.rules.norms import NORMS
from resgen.importing.rules.positions import POSITIONS, on_maps, without_ones
from resgen.importing.rules.shapes import SHAPES, spread_out

Rule = Callable[[Net, Part], bool]
_TABLES: Final = (ATTENTION, SHAPES, POSITIONS, ACTIVATIONS, NORMS, MAPS)
#: The rules by the operator that each begins at, in the order in which they are tried.
RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    name: tuple(rule for table in _TABLES for rule in table.get(name, ()))
    for name in {name for table in _TABLES for name in table}
}


def simplified(flat: Flat, *, named: bool = False) -> Flat:
    """The same network in the fewest operators that the rules find.

    Where parameters are ``named`` as a module has them, they keep their names.
    """
    net = Net(flat, named=named)
    net.changed += net.parts
    _settle(net)
    for placed in (without_ones, on_maps):
        if placed(net):
            net.changed += net.parts
            _settle(net)
    spread_out(net)
    edged(net)
    return net.done()


def _settle(net: Net) -> None:
    """Apply the rules to all values that have changed, until none applies."""
    while net.changed:
        queue, net.changed = list(dict.fromkeys(net.changed)), []
        for value in queue:
            part = net.parts.get(value)
            if part is not None:
                any(rule(net, part) for rule in RULES.get(part.op.name, ()))
