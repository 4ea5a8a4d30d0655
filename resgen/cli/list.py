"""``resgen list``: what comes with resgen, networks and what they are made of."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.listing import Listing
from resgen.api.list import NETWORKS
from resgen.api.list import list as listed
from resgen.cli._options import json_option, options
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen list                 the networks, by family
  resgen list blocks          also stems, heads, parts, shortcuts, operators, words
  resgen list bottleneck      one of them, with its parameters
  resgen list codes           what `resgen check` and `resgen diagnose` may say
  resgen list forms           what `resgen export --to` makes"""
)
@click.argument("what", metavar="[WHAT]", default=NETWORKS)
@options(Listing)
@json_option
def command(what: str, *, as_json: bool, **given: Any) -> None:
    """List the networks at hand, or what networks are made of.

    WHAT is networks, blocks, stems, heads, parts, shortcuts, operators, words (of the
    language of specs), codes (of problems), forms (of exports), or the name of one of
    these.
    """
    found = listed(what, **given)
    if as_json:
        say_json(found.to_dict())
    else:
        say("\n".join(found.lines(width())))
