"""``resgen list``: what comes with resgen, networks and what they are made of."""

from __future__ import annotations

import click

from resgen.cli._options import json_option
from resgen.cli._text import fitted, say, say_json, scaled, shape, table, unit_of, width
from resgen.errors import ResgenError, closest

NETWORKS = "networks"
#: What there is to list; all but networks and operators are folders of definitions.
KINDS = (NETWORKS, "blocks", "stems", "heads", "parts", "shortcuts", "operators")


@click.command(
    epilog="""\b
Examples:
  resgen list                 the networks, by family
  resgen list blocks          also stems, heads, parts, shortcuts, operators
  resgen list bottleneck      one of them, with its parameters"""
)
@click.argument("what", metavar="[WHAT]", default=NETWORKS, required=False)
@click.option("--long", is_flag=True, help="With parameters and MACs (takes seconds).")
@json_option
def command(what: str, *, long: bool, as_json: bool) -> None:
    """List the networks that come with resgen, or what networks are made of.

    WHAT is networks, blocks, stems, heads, parts, shortcuts, operators, or the name of
    one of these.
    """
    if what == NETWORKS:
        _networks(long=long, as_json=as_json)
        return
    if long:
        raise click.UsageError("--long is for networks")
    _entries(what, as_json=as_json)


def _networks(*, long: bool, as_json: bool) -> None:
    from resgen.cli._zoo import costs, networks

    found = networks()
    if long:
        found = [{**network, **costs(network["name"])} for network in found]
    if as_json:
        say_json(found)
        return
    rows = []
    for network in found:
        numbers = []
        if long:
            numbers = [scaled(n, unit_of(n)) for n in (network["params"], network["macs"])]
        rows.append([network["name"], *numbers, shape(network["input"])])
    family = None
    for network, line in zip(found, table(rows, left=1), strict=True):
        if network["family"] != family:
            family = network["family"]
            say(f"\n{click.style(family, bold=True)}" if family else "")
        say(fitted(f"  {line}  {network['doc']}", max(width(), 60)))
    order = "name, parameters, MACs, input" if long else "name, input"
    say(f"\n{len(found)} networks ({order}). `resgen inspect NAME` shows one.")


def _entries(what: str, *, as_json: bool) -> None:
    from resgen.cli._vocabulary import entries

    found = entries()
    listed = what in KINDS
    chosen = [e for e in found if (e["kind"] + "s" if listed else e["name"]) == what]
    if not chosen:
        _unknown(what, [e["name"] for e in found])
    if as_json:
        say_json(chosen)
    elif listed:
        for entry, line in zip(chosen, table([[e["name"]] for e in chosen], 1), strict=True):
            pad = max(len(e["name"]) for e in chosen)
            say(fitted(f"{line:<{pad}}  {entry['doc']}", max(width(), 60)))
        say(f"\n`resgen list {chosen[0]['name']}` shows the parameters of one.")
    else:
        for entry in chosen:
            _show(entry)


def _show(entry: dict[str, Any]) -> None: ...
def _unknown(what: str, names: list[str]) -> NoReturn: ...
