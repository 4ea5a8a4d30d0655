"""Definitions of blocks and shortcuts, read from JSON.

Built-in ones are files of the package, a user's stand under ``blocks`` and
``shortcuts`` of a spec; the form is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from resgen.errors import did_you_mean
from resgen.spec.bind import POSITIONS
from resgen.spec.body import BodyReader
from resgen.spec.keys import SHORTCUT_KEYS
from resgen.spec.model import Argument, Definition, Items, Scalar, Text
from resgen.spec.params import DECLARABLE, REQUIRED, Param
from resgen.spec.places import describe
from resgen.spec.source import Json, plain

HEADER: Final = ("resgen", "doc", "params", "let")
PARAM_KEYS: Final = ("type", "enum", "default", "min", "max", "doc")


def begin(name: str, at: Json, reader: BodyReader, *, builtin: bool) -> Definition:
    """The definition with its parameters, but without its body yet."""
    value = at.value if isinstance(at.value, dict) else {}
    doc = value["doc"].value if "doc" in value else ""
    made = Definition(name, at, doc if isinstance(doc, str) else "", builtin)
    params = value.get("params")
    if params is not None:
        before = reader.problems.told
        made.params = _params(params, reader)
        made.unsure = reader.problems.told != before
    return made


def finish(made: Definition, reader: BodyReader, kind: str) -> None:
    """Read defaults, local values and the body: ``kind`` is "block" or "shortcut"."""
    own = ("block", "body") if kind == "block" else ("shortcut", *SHORTCUT_KEYS)
    before = reader.problems.told
    binder, known = reader.binder, (*HEADER, *own)
    read = binder.members if kind == "block" else reader.shortcut_members
    members = read(made.at, known, f"a {kind}'s definition")
    _named(made, members.get(kind), kind, reader)
    made.unsure = made.unsure or reader.problems.told != before
    outer, binder.known = (binder.known, binder.undeclared), frozenset(made.params)
    binder.undeclared = set()
    if made.unsure:
        binder.known = None
    made.defaults = _defaults(made, members, reader)
    let = reader.binder.object(members.get("let"), '"let"')
    for name, item in let.items():
        if name in POSITIONS or name in made.params:
            message = f'"{name}" is taken: it is a parameter or a position'
            reader.problems.error("RG013", message, item.place(key=True))
    if binder.known is not None:
        binder.known |= set(let)
    made.let = local_values(let, reader)
    unread = made.unsure or reader.problems.told != before
    if kind == "shortcut":
        made.shortcut = reader.shortcut_fields(made.at, members)
        if unread or _circular(made, reader):
            made.shortcut = reader.refused_shortcut(made.at)
    elif "body" in members:
        made.body = reader.body(members["body"])
    elif not isinstance(made.at.value, dict) or binder.lacks(
        made.at.value, "body", known
    ):
        message = f'block "{made.name}" needs a "body"'
        reader.problems.error("RG011", message, made.at.place())
    if unread and made.body is not None:  # nobody knows the values that it sees
        made.body = reader.refused(made.at)
    made.unsure = made.unsure or bool(binder.undeclared)
    binder.known, binder.undeclared = outer


def _named(made: Definition, at: Json | None, kind: str, reader: BodyReader) -> None:
    """Report a name in a definition that is not the one it is known by."""
    if at is None or at.value == made.name:
        return
    message = f'this defines the {kind} "{made.name}", not {describe(at.value)}'
    hint = f'leave "{kind}" out'
    if kind == "shortcut":
        hint += f'; what it takes from another: "project": {describe(at.value)}'
    reader.problems.error("RG013", message, at.place(), hint)


def _circular(made: Definition, reader: BodyReader) -> bool:
    """Whether a shortcut takes its projection from itself, which is reported.

    Of a circle the one that is read last finds it: those on the way are read by then.
    """
    names = [made.name]
    taken = made.shortcut
    while taken is not None and isinstance(taken.project, Text):
        names.append(taken.project.text)
        last = reader.library.shortcut(names[-1])
        if last is made:
            told = " from ".join(f'"{name}"' for name in names)
            message = f"a shortcut is taken from itself: {told}"
            reader.problems.error("RG051", message, taken.project.at.place())
            return True
        taken = None if last is None else last.shortcut
    return False


def local_values(let: Mapping[str, Json], reader: BodyReader) -> dict[str, Argument]:
    """Values of ``let``, each after those that it mentions.

    The order of keys says nothing (the canonical form sorts them).
    """
    return in_order(reader.offers(let), reader)


def in_order(values: Mapping[str, Argument], reader: BodyReader) -> dict[str, Argument]:
    """Values sorted so that each follows those whose names it uses."""
    done: dict[str, Argument] = {}
    waiting = dict(values)
    while waiting:
        reader.problems.spend(len(waiting), next(iter(waiting.values())).at.place)
        ready = [n for n, v in waiting.items() if not mentioned(v) & waiting.keys()]
        if not ready:
            circle = " and ".join(f'"{name}"' for name in sorted(waiting))
            place = next(iter(waiting.values())).at.place()
            reader.problems.error("RG031", f"{circle} need one another", place)
            return done
        for name in ready:
            done[name] = waiting.pop(name)
    return done


def mentioned(value: Argument) -> frozenset[str]:
    """Names that the expressions of a value use."""
    match value:
        case Scalar(expr=expr):
            return expr.names
        case Items(items=items):
            return frozenset(name for item in items for name in mentioned(item))
        case _:
            return frozenset()


def _params(at: Json, reader: BodyReader) -> dict[str, Param]:
    made: dict[str, Param] = {}
    for name, item in reader.binder.object(at, '"params"').items():
        if name in POSITIONS:
            message = f'"{name}" has a meaning of its own; choose another name'
            reader.problems.error("RG013", message, item.place(key=True))
        reader.problems.spend(15, item.place)
        param = _param(item, reader)
        if param is not None:
            made[name] = param
    return made


def _param(at: Json, reader: BodyReader) -> Param | None:
    members = reader.binder.members(at, PARAM_KEYS, "a parameter")
    default: Any = plain(members["default"]) if "default" in members else REQUIRED
    doc = members["doc"].value if "doc" in members else ""
    bounds: dict[str, Fraction | int] = {}
    for key in ("min", "max"):
        if key in members:
            bound = members[key].value
            if isinstance(bound, (int, Fraction)) and not isinstance(bound, bool):
                bounds[key] = bound
            else:
                reader.problems.mistyped(members[key], f'"{key}" is a number')
    if "enum" in members:
        choices = members["enum"].value
        if not isinstance(choices, list) or not all(
            isinstance(c.value, str) for c in choices
        ):
            message = '"enum" is a list of strings'
            reader.problems.error("RG012", message, members["enum"].place())
            return None
        names = tuple(str(c.value) for c in choices)
        return Param("enum", default, str(doc), choices=names)
    if "type" not in members:
        # What is no object, and a misspelt key, was told as such.
        if isinstance(at.value, dict) and reader.binder.lacks(
            at.value, "type", PARAM_KEYS
        ):
            message = 'a parameter needs a "type" or an "enum"'
            reader.problems.error("RG011", message, at.place())
        return None
    return _typed(members["type"], default, str(doc), bounds, reader)


def _typed(
    at: Json,
    default: Any,
    doc: str,
    bounds: Mapping[str, Fraction | int],
    reader: BodyReader,
) -> Param | None:
    low, high = bounds.get("min"), bounds.get("max")
    if isinstance(at.value, list) and len(at.value) == 1:
        item = _typed(at.value[0], REQUIRED, "", bounds, reader)
        return None if item is None else Param("list", default, doc, item=item)
    kind = next((kind for kind in DECLARABLE if kind == at.value), None)
    if kind is not None:
        return Param(kind, default, doc, low, high)
    near = did_you_mean(str(at.value), DECLARABLE) if isinstance(at.value, str) else ""
    message = f"{describe(at.value)} is not a type{near}"
    hint = "there are: " + ", ".join(DECLARABLE) + ', and lists such as ["integer"]'
    reader.problems.error("RG013", message, at.place(), hint)
    return None


def _defaults(
    made: Definition, members: Mapping[str, Json], reader: BodyReader
) -> dict[str, Argument]:
    """Bound defaults; a default may mention other parameters."""
    found: dict[str, Argument] = {}
    stated = reader.binder.object(members.get("params"), '"params"')
    for name, param in made.params.items():
        item = stated[name].value
        if not isinstance(item, dict) or "default" not in item:
            continue
        if item["default"].value is None:
            continue
        bound = reader.binder.argument(item["default"], param)
        if bound is not None:
            found[name] = bound
    # Parameters are evaluated in this order, so that a default may use another.
    ordered = in_order(found, reader)
    first = [name for name in made.params if name not in ordered]
    made.params = {name: made.params[name] for name in (*first, *ordered)}
    return ordered
