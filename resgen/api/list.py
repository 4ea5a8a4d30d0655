"""What comes with resgen: networks, what they are made of, codes and forms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

from resgen.api.asked.listing import Listing
from resgen.api.catalogue.entries import Entry, entries
from resgen.api.catalogue.networks import Network, networks
from resgen.errors import UsageError, did_you_mean
from resgen.options.kinds import argument, text
from resgen.words.numbers import in_unit, shape, unit_of
from resgen.words.terminal import TEXT, Shown, fitted, style, table

NETWORKS: Final = "networks"
#: What else can be listed as a whole; an entry's kind is the singular.
KINDS: Final = (
    "blocks", "stems", "heads", "parts", "shortcuts", "operators", "words", "codes",
    "forms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed(Shown):
    """What was found: all of a kind, or what goes by one name (``whole`` is False)."""

    items: tuple[Network | Entry, ...]
    whole: bool

    def __iter__(self) -> Iterator[Network | Entry]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> Sequence[dict[str, Any]]:
        """What ``resgen list --json`` prints."""
        return [item.to_dict() for item in self.items]

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        known = [each for each in self.items if isinstance(each, Network)]
        found = [each for each in self.items if isinstance(each, Entry)]
        if known:
            yield from _networks(known, width)
        elif not self.whole:
            for entry in found:
                yield from _entry(entry, min(width, TEXT))
        else:
            wide = max(len(entry.name) for entry in found)
            for entry in found:
                yield fitted(f"{entry.name:<{wide}}   {entry.doc}", width)
            yield f"\n`resgen list {found[0].name}` tells more of one."


def list(what: str = NETWORKS, **options: Any) -> Listed:  # noqa: A001 (the command's)
    """List the networks at hand, or what networks are made of.

    ``what`` is networks, blocks, stems, heads, parts, shortcuts, operators, words (of
    the language of specs), codes (of problems), forms (of exports), or the name of one
    of these. ``options`` are those of :class:`~resgen.api.asked.listing.Listing`, which
    are the command's.

    >>> [entry.name for entry in list("RG104")]
    ['RG104']
    >>> list("resnet18", long=True).items[0].params
    11689512
    """
    asked = Listing.of(options)
    what = argument("what", text("WHAT"), what)
    known = networks()
    if what != NETWORKS:
        known = [network for network in known if network.name == what]
    if known:
        counted = (each.counted() if asked.long else each for each in known)
        return Listed(tuple(counted), what == NETWORKS)
    if asked.long:
        raise asked.refused("{long} is for networks")
    every = [*entries()]
    kind = what.removesuffix("s") if what in KINDS else None
    named = what.upper() if what[:2].upper() == "RG" else what
    chosen = [e for e in every if (e.kind == kind if kind else e.name == named)]
    if not chosen:
        names = (*(n.name for n in networks()), *(e.name for e in every))
        near = did_you_mean(what, (NETWORKS, *KINDS, *names))
        raise UsageError(
            f'nothing is called "{what}"{near}',
            hint=f"`resgen list WHAT` lists {NETWORKS}, {', '.join(KINDS)}",
        )
    return Listed(tuple(chosen), kind is not None)


def _networks(known: Sequence[Network], width: int) -> Iterator[str]:
    rows = []
    for network in known:
        costs = (network.params, network.macs)
        numbers = [in_unit(n, unit_of(n)) for n in costs if n is not None]
        sizes = [shape(network.input)] if numbers else []
        rows.append((network.name, *numbers, *sizes))
    family = ""
    wide = max(len(each.name) for each in known)
    for network, line in zip(known, table(rows, left=1), strict=True):
        if network.family != family:
            family = network.family
            yield f"\n{style(family, bold=True)}"
        yield fitted(f"  {line:<{wide}}   {network.doc}", width)
    if len(known) == 1:
        yield f"\n`resgen inspect {known[0].name}` tells more."
    elif known[0].params is not None:
        yield f"\n{len(known)} networks: name, parameters, MACs, input."
    else:
        yield f"\n{len(known)} networks. `resgen inspect NAME` tells more of one."


def _entry(entry: Entry, page: int) -> Iterator[str]:
    kind = f"{entry.severity} {entry.kind}".strip()
    yield f"{style(entry.name, bold=True)} ({kind})"
    for line in wrap(entry.doc, page - 2):
        yield f"  {line}"
    for each in entry.parameters:
        default = "required" if each.required else f"default {json.dumps(each.default)}"
        yield f"\n  {style(each.name, bold=True)}: {each.type}, {default}"
        for line in wrap(each.doc, page - 6):
            yield f"      {line}"
    if entry.example:
        yield f"\n  {entry.example}"
    elif entry.text:
        yield ""
        yield from (f"  {line}".rstrip() for line in entry.text.splitlines())
    elif not entry.parameters:
        yield "\n  It takes no parameters."
