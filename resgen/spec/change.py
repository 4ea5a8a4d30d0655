"""A change of a spec as a person writes it: a place, and what is to stand there."""

from __future__ import annotations

import json
from typing import Any, Final

from resgen.options.kinds import Kind, told

EXAMPLE: Final = "/stages/2/depth=23"


def word(value: Any) -> str:
    """A value as the command line writes it; a text is one already."""
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError):
        raise ValueError(f"{told(value)} is nothing that JSON has") from None


def _changed(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2:  # what Python has
        value = f"{value[0]}={word(value[1])}"
    if not isinstance(value, str) or not value.startswith("/") or "=" not in value:
        raise ValueError(
            f"{told(value)} is not of the form /POINTER=VALUE, such as {EXAMPLE}"
        )
    return value


#: A change of a spec: a JSON Pointer (RFC 6901) and what is to stand there.
CHANGE: Final = Kind("/POINTER=VALUE", _changed, _changed)
