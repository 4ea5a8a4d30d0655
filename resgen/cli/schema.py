"""``resgen schema``: the language as a JSON Schema."""

from __future__ import annotations

import click

from resgen.cli._text import say_json


@click.command(
    epilog="""\b
Example:
  resgen schema > resgen.schema.json

In VS Code, name that file under "json.schemas" in the settings; a spec is then
completed and checked as you type."""
)
def command() -> None:
    """Print the JSON Schema of specs, for editors."""
    from resgen.ops import VOCABULARY
    from resgen.spec.schema import schema

    # Not indented: half of so deep a document would be spaces.
    say_json(schema(VOCABULARY), indent=0)
