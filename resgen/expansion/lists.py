"""Lists of values: what takes one of them, and where one value is due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from resgen.errors import Place
from resgen.expansion.builder import Many, Val, Value
from resgen.expansion.evaluate import LIST_HINT, Frame, Stop
from resgen.spec.source import Json, Problems
from resgen.words.numbers import count

#: A kept value and what is taken of it: ``x``, ``x[1]``, ``x[1:]``, ``x[2][-1]``.
_TAKEN: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)\Z")
_INDEX: Final = re.compile(r"-?\d{1,9}\Z")
#: What each item of a list costs that is made or gone through, what a bracket does,
#: and what an output does, which every file and table names.
_ITEM: Final = 0.25
_BRACKET: Final = 3
_OUTPUT: Final = 10


def one(x: Value, place: Place, what: str) -> Val:
    """The value itself, where ``what`` takes no list."""
    if isinstance(x, Val):
        return x
    if x.names:
        message = f"{what} follows the network's outputs, after which nothing comes"
        raise Stop("RG025", message, place)
    hint = 'take one of them, {"item": 0}, or let "add" or "concat" bring them together'
    message = f"{what} takes one value, not a list of {len(x.items)}"
    raise Stop("RG025", message, place, hint)


def listed(
    given: Sequence[Value], place: Place, what: str, problems: Problems
) -> Iterator[Val]:
    """Each value that ``what`` brings together, those of a list one by one."""
    for x in given:
        if isinstance(x, Many) and not x.names:
            problems.spend(_ITEM * len(x.items), lambda: place)
            yield from listed(x.items, place, what, problems)
        else:
            yield one(x, place, what)


def item(x: Value, index: int, place: Place) -> Value:
    """One value of a list."""
    items = _items(x, f"item {index}", place)
    if not -len(items) <= index < len(items):
        message = f"there is no item {index} in a list of {len(items)}"
        raise Stop("RG026", message, place)
    return items[index]


def _items(x: Value, taken: str, place: Place) -> tuple[Value, ...]:
    if isinstance(x, Val) or x.names:
        raise Stop("RG025", f"there is no list to take {taken} of", place, LIST_HINT)
    return x.items


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """The name of a kept value, and the brackets after it.

    >>> split("x[1:][0]")
    ('x', ('1:', '0'))
    """
    found = _TAKEN.match(text)
    if found is None:
        return text, ()
    return found[1], tuple(found[2][1:-1].split("]["))


def taken(
    x: Value, brackets: tuple[str, ...], place: Place, problems: Problems
) -> Value:
    """What brackets take of a kept value: an item, or with a colon a list of some."""
    for text in brackets:
        problems.spend(_BRACKET, lambda: place)
        ends = [end.strip() for end in text.split(":")]
        numbers = [int(end) if _INDEX.match(end) else None for end in ends]
        wrong = [e for e, n in zip(ends, numbers, strict=True) if n is None and e]
        if wrong or len(ends) > 2 or ends == [""]:
            message = f"[{text}] is no index: write [1], [-1], [1:] or [1:3]"
            raise Stop("RG026", message, place)
        if len(ends) == 1 and numbers[0] is not None:
            x = item(x, numbers[0], place)
            continue
        every = _items(x, f"[{text}]", place)
        if numbers[0] is not None and numbers[0] > len(every):
            message = f"[{text}] begins behind the end of a list of {len(every)}"
            raise Stop("RG026", message, place, "the first is [0]")
        items = every[slice(*numbers)]
        problems.spend(_ITEM * len(items), lambda: place)
        x = Many(items)
    return x


def recalled(frame: Frame, text: str, at: Json) -> Value:
    """A kept value, or what brackets after its name take of it."""
    name, brackets = (text, ()) if text in frame.kept else split(text)
    return taken(frame.recall(name, at), brackets, frame.at(at), frame.problems)


def outputs(
    made: Mapping[str, Value],
    train_only: frozenset[str],
    place: Place,
    problems: Problems,
) -> Many:
    """What the network gives out: the items of a list are ``NAME.0``, ``NAME.1``...

    What ``train_only`` names it gives out in training alone.
    """
    found: dict[str, Val] = {}

    def add(name: str, x: Value) -> None:
        problems.spend(_OUTPUT, lambda: place)
        if isinstance(x, Val):
            found[name] = x
            return
        if x.names:
            raise Stop("RG025", f'the outputs of "{name}" have names already', place)
        for index, inner in enumerate(x.items):
            add(f"{name}.{index}", inner)

    for name, x in made.items():
        add(name, x)
    apart = frozenset(n for n in found if n.partition(".")[0] in train_only)
    return Many(tuple(found.values()), tuple(found), apart)


def given_out(x: Value, place: Place, unnamed: str) -> tuple[tuple[str, Val], ...]:
    """The outputs of a network that ends in ``x``; one value is called ``unnamed``."""
    if isinstance(x, Val):
        return ((unnamed, x),)
    if not x.names:
        message = f"the network ends in a list of {count(len(x.items), 'value')}"
        hint = 'give them names: {"outputs": {"maps": []}}'
        raise Stop("" if x.spoiled else "RG025", message, place, hint)
    named = []
    for name, value in zip(x.names, x.items, strict=True):
        named.append((name, one(value, place, f'output "{name}"')))
    return tuple(named)
