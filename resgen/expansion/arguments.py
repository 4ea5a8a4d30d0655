"""What functions take that read a spec: where it is, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from resgen.expansion.builder import Limits
from resgen.options.kinds import typed

Source = str | Path | Mapping[str, Any]
SOURCE: Final = typed(
    "a spec, which is a file, the name of a network, or JSON values", str, Path, Mapping
)
LIMITS: Final = typed("a resgen.Limits", Limits)
