"""The line of the spec that a mend would change."""

from __future__ import annotations

import re

from resgen.errors import Place
from resgen.records.diagnosis import Finding
from resgen.spec.model import Spec
from resgen.spec.source import Json

#: A key that a hint writes: ``"shortcut": "projection"``.
_KEY = re.compile(r'"(\w+)": ')


def line_of(spec: Spec, finding: Finding) -> Place | None:
    """Where the spec says what the finding's hint would say otherwise.

    The stage that the finding is about comes before ``defaults``, as it does in the
    language. None where neither says anything of it.
    """
    objects = [_at(spec, finding.pointer or ""), spec.members.get("defaults")]
    for key in _KEY.findall(finding.hint):
        for holder in objects:
            if holder is not None and isinstance(holder.value, dict):
                found = holder.value.get(key)
                if found is not None:
                    return found.place(key=True)
    return None


def _at(spec: Spec, pointer: str) -> Json | None:
    """The stage of ``/stages/2``."""
    words = pointer.split("/")
    if len(words) < 3 or words[1] != "stages" or not words[2].isdigit():
        return None
    return spec.stages[int(words[2])].at
