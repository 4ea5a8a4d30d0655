"""``resgen list``: what comes with resgen, networks and what they are made of."""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from resgen.cli._options import json_option
from resgen.cli._text import say, say_json, width
from resgen.cli._zoo import Network, costs, networks
from resgen.errors import UsageError, did_you_mean
from resgen.words.numbers import in_unit, shape, unit_of
from resgen.words.terminal import fitted, style, table

if TYPE_CHECKING:
    from resgen.cli._vocabulary import Entry

NETWORKS = "networks"
KINDS = ("blocks", "stems", "heads", "parts", "shortcuts", "operators", "words")
#: Columns of running text.
PAGE = 88


@click.command(
    epilog="""\b
Examples:
  resgen list                 the networks, by family
  resgen list blocks          also stems, heads, parts, shortcuts, operators, words
  resgen list bottleneck      one of them, with its parameters"""
)
@click.argument("what", metavar="[WHAT]", default=NETWORKS)
@click.option("--long", is_flag=True, help="With parameters and MACs (takes seconds).")
@json_option
def command(what: str, *, long: bool, as_json: bool) -> None:
    """List the networks at hand, or what networks are made of.

    WHAT is networks, blocks, stems, heads, parts, shortcuts, operators, words (of the
    language of specs), or the name of one of these.
    """
    known = networks()
    if what != NETWORKS:
        known = [network for network in known if network.name == what]
    if known:
        counted = [(n, costs(n.name) if long else None) for n in known]
        if as_json:
            say_json([_record(*each) for each in counted])
        else:
            _show_networks(counted)
    elif long:
        raise UsageError("--long is for networks")
    else:
        _list_entries(what, as_json=as_json)


# --- networks -------------------------------------------------------------------------

Cost = tuple[int, int]


def _record(network: Network, cost: Cost | None) -> dict[str, Any]:
    found = {
        "name": network.name,
        "family": network.family,
        "doc": network.doc,
        "input": list(network.input),
        "file": str(network.file),
    }
    return found if cost is None else {**found, "params": cost[0], "macs": cost[1]}


def _show_networks(counted: list[tuple[Network, Cost | None]]) -> None:
    rows = []
    for network, cost in counted:
        numbers = [in_unit(n, unit_of(n)) for n in cost or ()]
        rows.append((network.name, *numbers, *([shape(network.input)] * bool(cost))))
    family = ""
    for (network, _), line in zip(counted, table(rows, left=1), strict=True):
        if network.family != family:
            family = network.family
            say(f"\n{style(family, bold=True)}")
        wide = max(len(each.name) for each, _ in counted)
        say(fitted(f"  {line:<{wide}}   {network.doc}", width()))
    if len(counted) == 1:
        say(f"\n`resgen inspect {counted[0][0].name}` tells more.")
    elif counted[0][1]:
        say(f"\n{len(counted)} networks: name, parameters, MACs, input.")
    else:
        say(f"\n{len(counted)} networks. `resgen inspect NAME` tells more of one.")


# --- what they are made of ------------------------------------------------------------


def _list_entries(what: str, *, as_json: bool) -> None:
    from resgen.cli._vocabulary import entries, record

    found = entries()
    kind = what.removesuffix("s") if what in KINDS else None
    chosen = [e for e in found if (e.kind == kind if kind else e.name == what)]
    if not chosen:
        names = [
            NETWORKS,
            *KINDS,
            *(n.name for n in networks()),
            *(e.name for e in found),
        ]
        raise UsageError(
            f'nothing is called "{what}"{did_you_mean(what, names)}',
            hint=f"`resgen list WHAT` lists {NETWORKS}, {', '.join(KINDS)}",
        )
    if as_json:
        say_json([record(entry) for entry in chosen])
    elif kind is None:
        for entry in chosen:
            _show_entry(entry)
    else:
        wide = max(len(entry.name) for entry in chosen)
        for entry in chosen:
            say(fitted(f"{entry.name:<{wide}}   {entry.doc}", width()))
        say(f"\n`resgen list {chosen[0].name}` tells more of one.")


def _show_entry(entry: Entry) -> None:
    from resgen.cli._vocabulary import plain

    say(f"{style(entry.name, bold=True)} ({entry.kind})")
    page = min(width(), PAGE)
    for line in wrap(entry.doc, page - 2):
        say(f"  {line}")
    for name, param in entry.params.items():
        default = json.dumps(plain(param.default)) if not param.required else None
        given = "required" if default is None else f"default {default}"
        say(f"\n  {style(name, bold=True)}: {param}, {given}")
        for line in wrap(param.doc, page - 6):
            say(f"      {line}")
    if entry.example:
        say(f"\n  {entry.example}")
    elif not entry.params:
        say("\n  It takes no parameters.")
