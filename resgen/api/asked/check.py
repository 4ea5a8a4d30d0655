"""What ``resgen check`` is asked."""

from __future__ import annotations

from dataclasses import dataclass

from resgen.api.asked.common import Reading
from resgen.options.group import option
from resgen.options.kinds import FLAG


@dataclass(frozen=True, kw_only=True)
class Checking(Reading):
    """How specs are changed and judged."""

    strict: bool = option("--strict", FLAG, "Count warnings as errors.")
