"""Code laid out as formatters do it, in lines of at most 88 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

WIDTH: Final = 88
INDENT: Final = 4


@dataclass(frozen=True, slots=True)
class Brackets:
    """Something in brackets, which may take several lines.

    ``display`` tells that the items stand one to a line as soon as they do not fit,
    as those of a list do. Items without a ``comma`` are the parts of a comprehension.
    """

    head: str
    items: tuple[Doc, ...]
    tail: str
    display: bool = False
    comma: bool = True


Doc: TypeAlias = str | Brackets


def flat(doc: Doc) -> str:
    """On one line."""
    if isinstance(doc, str):
        return doc
    joint = ", " if doc.comma else " "
    return f"{doc.head}{joint.join(map(flat, doc.items))}{doc.tail}"


def joined(before: str, doc: Doc, after: str = "") -> Doc:
    """With text before and after it."""
    if isinstance(doc, str):
        return f"{before}{doc}{after}"
    return replace(doc, head=before + doc.head, tail=doc.tail + after)


def repeated(items: Sequence[Doc]) -> list[Doc]:
    """The items of a list, with a loop for what comes three times or more.

    So has a pattern of two that comes twice or more.
    """
    texts = [flat(item) for item in items]
    found: list[Doc] = []
    at = 0
    while at < len(items):
        for period, least in ((1, 3), (2, 2)):
            block = texts[at : at + period]
            turns = 1
            while texts[at + turns * period :][:period] == block:
                turns += 1
            if turns >= least and len({*block}) == period:
                break
        else:
            found.append(items[at])
            at += 1
            continue
        each = f"for _ in range({turns})"
        if period == 1:
            found.append(Brackets("*[", (items[at], each), "]", comma=False))
        else:
            pair = Brackets("for block in (", tuple(items[at : at + 2]), ")", True)
            found.append(Brackets("*[", ("block", each, pair), "]", comma=False))
        at += turns * period
    return found


def lines(doc: Doc, indent: int = 0, after: str = "") -> list[str]:
    """The lines of it; ``after`` follows on the last."""
    whole = " " * indent + flat(doc) + after
    if len(whole) <= WIDTH or isinstance(doc, str) or not doc.items:
        return [whole]
    inner = indent + INDENT
    body = " " * inner + flat(replace(doc, head="", tail=""))
    found = [body]
    if doc.display or len(body) > WIDTH:
        # One that opens brackets of its own has none behind it.
        alone = len(doc.items) == 1 and not doc.display
        comma = "," if doc.comma and not alone else ""
        found = [line for each in doc.items for line in lines(each, inner, comma)]
    return [" " * indent + doc.head, *found, " " * indent + doc.tail + after]
