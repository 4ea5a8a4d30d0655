"""Results whose content was altered and whose digest was made anew: read with doubt.

Whatever is altered, a report is rendered or a sentence says why not.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports.beside import comparison
from reports.diagnosed import arm, diagnosis
from reports.make import record

from resgen.diagnosis.documents import DIAGNOSIS
from resgen.document.files import DIGEST, Format, digest
from resgen.errors import ResgenError
from resgen.profiling.documents import COMPARISON, REPORT
from resgen.reports.forms import rendered

VALUES = (
    None, 0, -1, 1e308, -1e308, "", "x", "a\nb", [], {}, True, 10**30, [1],
    {"a": 1}, [[]], -0.5, 5e-324,
)  # fmt: skip
DOCUMENTS: dict[str, tuple[Format[Any], Any]] = {
    "report": (REPORT, record(n=10)),
    "comparison": (COMPARISON, comparison()),
    "diagnosis": (DIAGNOSIS, replace(diagnosis(), arms=(arm(depths=(1, 1), seeds=2),))),
}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    keys = value if isinstance(value, dict) else range(min(len(value), 3))
    for key in keys:
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*at, key))
        else:
            yield (*at, key)


def altered(document: Any, rng: random.Random) -> Any:
    """A copy with one thing taken out, cut short or replaced."""
    found = copy.deepcopy(document)
    *way, last = rng.choice(list(places(found)))
    holder = found
    for key in way:
        holder = holder[key]
    how = rng.randrange(4)
    if how == 0:
        del holder[last]
    elif how == 1 and isinstance(holder[last], list):
        del holder[last][rng.randrange(3) :]
    else:
        holder[last] = rng.choice(VALUES)
    found.pop(DIGEST, None)
    return {**found, DIGEST: digest(found)}


def outcome(kind: Format[Any], document: Any, whole: Any, forms: list[str]) -> str:
    """Why it was refused, or nothing once all of these forms were rendered."""
    try:
        read = kind.from_json(document, Path("x.json"))
        for form in forms:
            rendered([read], form)
        rendered([read, whole], "md")
    except ResgenError as error:
        return error.message
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("seed", range(3))
def test_an_altered_result_is_rendered_or_refused_in_a_sentence(
    name: str, seed: int
) -> None:
    kind, whole = DOCUMENTS[name]
    document = json.loads(kind.to_text(whole))
    rng = random.Random(seed)
    said = [
        outcome(
            kind,
            altered(document, rng),
            whole,
            ["csv", *(["html"] if turn % 10 == 0 else [])],
        )
        for turn in range(30)
    ]
    refused = [message for message in said if message]
    assert 0 < len(refused) < len(said)
    # Where its digest is of what it says, it may be of a resgen with other fields.
    told = re.compile(r"x\.json (was altered|is of another resgen)")
    assert all(told.search(message) for message in refused)
