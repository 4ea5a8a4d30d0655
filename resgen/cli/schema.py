"""``resgen schema``: the language as a JSON Schema."""

from __future__ import annotations

import click

from resgen.cli._text import say_json


@click.command(
    epilog="""\b
Examples:
  resgen schema > resgen.schema.json
  resgen schema --space > space.schema.json

In VS Code, name that file under "json.schemas" in the settings; a spec is then
completed and checked as you type."""
)
@click.option("--space", is_flag=True, help="That of spaces, for resgen search.")
def command(space: bool) -> None:
    """Print the JSON Schema of specs, for editors."""
    if space:
        from resgen.searching.schema import schema as of_spaces

        say_json(of_spaces())
        return
    from resgen.ops import VOCABULARY
    from resgen.spec.schema import schema

    # Not indented: half of so deep a document would be spaces.
    say_json(schema(VOCABULARY), indent=0)
