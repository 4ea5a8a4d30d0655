"""``extends``, ``set`` and ``--set``: from files to one tree that refers to no other.

Objects merge by key and null deletes; lists and bodies are replaced whole. Every piece
of the result still knows the file and line that it came from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from resgen.errors import did_you_mean
from resgen.spec import zoo
from resgen.spec.keys import FORMS
from resgen.spec.places import Enough, describe, unescaped
from resgen.spec.scale import scaled
from resgen.spec.scanner import MAX_NESTING, Scanner
from resgen.spec.source import Json, Problems, Source, from_plain, pointer_of, read

#: Keys whose values are bodies, replaced whole.
BODIES: Final = frozenset(("stem", "head", "body", "entry", "exit", "residual"))
#: Objects that `set` may begin, where the spec has none yet.
OPTIONAL: Final = (
    *("defaults", "let", "names", "preprocess", "blocks", "shortcuts", "widths"),
)
#: How many specs may stand behind one another.
MAX_CHAIN: Final = 16


@dataclass(frozen=True, slots=True)
class Reach:
    """Where ``extends`` and ``labels`` may read: below these folders."""

    folders: tuple[Path, ...]

    @classmethod
    def around(cls, path: Path | None) -> Reach:
        """The working folder if it holds the spec, else the spec's own; and the zoo."""
        working = Path.cwd().resolve()
        own = working if path is None else path.resolve().parent
        root = working if own.is_relative_to(working) else own
        return cls((root, zoo.root().resolve()))

    def allows(self, path: Path) -> bool:
        """Whether the file lies below one of the folders, links resolved."""
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self.folders)


def shown(path: Path) -> str:
    """A file as a person in the working folder would write it.

    >>> shown(Path("specs/wide/../resnet50.json"))
    'specs/resnet50.json'
    """
    tidy, working = Path(os.path.normpath(path)), Path.cwd()
    return str(tidy.relative_to(working) if tidy.is_relative_to(working) else tidy)


def resolve(
    at: Json,
    path: Path | None,
    problems: Problems,
    assignments: Sequence[str] = (),
) -> Json:
    """The tree without ``extends`` and ``set``; ``assignments`` are ``/POINTER=VALUE``.

    ``path`` is the file that ``at`` was read from (None: it came from a program, and
    ``extends`` is looked up from the working folder).
    """
    reach = Reach.around(path)
    resolved = _extended(at, path, problems, reach, ())
    for assignment in assignments:
        resolved = _assigned(resolved, assignment, problems)
    return resolved


def _extended(
    at: Json,
    path: Path | None,
    problems: Problems,
    reach: Reach,
    chain: tuple[Path, ...],
) -> Json:
    if not isinstance(at.value, dict):
        return at
    own = dict(at.value)
    parent = own.pop("extends", None)
    changes = own.pop("set", None)
    scale = own.pop("scale", None)
    if scale is not None and parent is None:
        message = '"scale" is of the spec that this one extends, and it extends none'
        problems.error("RG010", message, scale.place(key=True))
    if path is not None:
        chain = (*chain, path.resolve())
    merged = replace(at, value=own)
    if parent is not None:
        base = _parent(parent, path, problems, reach, chain)
        if base is None:  # so nobody knows what the spec lacks
            merged = replace(at, value={**own, "extends": parent})
        else:
            if scale is not None and scale.value is not None:
                base = scaled(base, scale, problems)
            merged = _merged(base, merged, problems)
    if changes is None or changes.value is None:
        return merged
    if not isinstance(changes.value, dict):
        problems.mistyped(changes, '"set" is an object of JSON Pointers')
        return merged
    for pointer, value in changes.value.items():
        merged = put(merged, pointer, value, problems)
    return merged


def _parent(
    at: Json,
    path: Path | None,
    problems: Problems,
    reach: Reach,
    chain: tuple[Path, ...],
) -> Json | None:
    if not isinstance(at.value, str):
        problems.mistyped(at, '"extends" is the name of one file')
        return None
    folder = Path.cwd() if path is None else path.parent
    try:
        found = folder / at.value
        lies = found.is_file()
        found.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # NUL, length, links in a loop
        why = getattr(error, "strerror", None) or error
        problems.error("RG040", f"the parent cannot be read: {why}", at.place())
        return None
    if not lies:
        known = zoo.names().get(at.value.removesuffix(".json"))
        if known is None:
            near = did_you_mean(at.value.removesuffix(".json"), zoo.names())
            message = f'there is no spec "{at.value}" here or in the zoo{near}'
            problems.error("RG040", message, at.place())
            return None
        found = known
    if not reach.allows(found):
        allowed = " and ".join(str(folder) for folder in reach.folders)
        message = f'"{at.value}" lies outside what a spec may extend'
        problems.error("RG043", message, at.place(), f"it may read below {allowed}")
        return None
    if found.resolve() in chain:
        names = " -> ".join(p.name for p in (*chain, found.resolve()))
        problems.error("RG042", f'"extends" goes in a circle: {names}', at.place())
        return None
    if len(chain) >= MAX_CHAIN:
        message = f"more than {MAX_CHAIN} specs extend one another"
        problems.error("RG050", message, at.place())
        return None
    base = read(found, problems, shown=shown(found))
    return None if base is None else _extended(base, found, problems, reach, chain)


def _is_body(at: Json) -> bool:
    return isinstance(at.value, dict) and any(key in at.value for key in FORMS)


def _merged(base: Json, over: Json, problems: Problems) -> Json:
    """``over`` laid on ``base``."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if _is_body(base) or _is_body(over):
        return over
    problems.spend((len(base.value) + len(over.value)) / 10, over.place)
    value = dict(base.value)
    for key, item in over.value.items():
        if item.value is None:
            value.pop(key, None)
        elif key in value and key not in BODIES:
            value[key] = _merged(value[key], item, problems)
        else:
            value[key] = item
    return replace(over, value=value)


def _assigned(at: Json, assignment: str, problems: Problems) -> Json:
    """``/POINTER=VALUE`` of the command line; a value that is no JSON is a string."""
    from_plain(assignment, "<set>")  # raises for what is no text
    source = Source("<set>", assignment)
    pointer, _, text = assignment.partition("=")
    start = len(pointer) + 1
    quiet = Problems()  # what is no JSON is a string
    value = None
    with suppress(Enough):
        value = Scanner(source, quiet).document(start, pointer)
    if value is None:
        value = Json(text, source, start, len(assignment), pointer)
    return put(at, pointer, replace(value, key=(0, len(pointer))), problems)


def put(at: Json, pointer: str, value: Json, problems: Problems) -> Json:
    """The tree with ``value`` at ``pointer``; null deletes a member."""
    if not pointer.startswith("/"):
        message = f'"{pointer}" is not a JSON Pointer: it starts with "/"'
        problems.error("RG041", message, value.place(key=True))
        return at
    parts = [unescaped(part) for part in pointer[1:].split("/")]
    if parts[0] in ("extends", "set", "scale"):
        message = f'"/{parts[0]}" is no place to set: it is read before anything is set'
        problems.error("RG041", message, value.place(key=True))
        return at
    problems.spend(len(parts), value.place)
    if len(parts) + _deep(value) > MAX_NESTING:
        message = f"nested more than {MAX_NESTING} deep"
        problems.error("RG004", message, value.place())
        return at
    head = at.value.get("head") if isinstance(at.value, dict) else None
    stated = _classes(head, "/head") if head and parts == ["head", "classes"] else []
    if stated not in ([], [pointer]):
        places = " and ".join(stated)
        message = f"this head states how many classes there are at {places}"
        problems.error("RG041", message, value.place(key=value.key is not None))
        return at
    made = _put_below(at, parts, value, problems, "")
    return at if made is None else made


def _classes(at: Json, here: str) -> list[str]:
    """Where classes are counted: ``classes``, or the ``out`` of the last linear map.

    Of several outputs, where each does.
    """
    value = at.value
    if isinstance(value, list):
        below = [(str(i), item) for i, item in enumerate(value)]
    elif isinstance(value, dict):
        linear = "op" in value and value["op"].value == "linear"
        for key in ("classes", "out") if linear else ("classes",):
            if key in value:
                return [f"{here}/{key}"]
        below = [*value.items()]
    else:
        return []
    found = [_classes(item, here + pointer_of(part)) for part, item in below]
    if here.endswith("/outputs"):
        return [place for places in found for place in places]
    return next((places for places in reversed(found) if places), [])


def _index(part: str) -> int | None:
    """The position in a list that a part of a pointer names."""
    plain = part.isascii() and part.isdigit() and len(part) < 10
    return int(part) if plain else None


def _deep(at: Json) -> int:
    """How many lists and objects stand inside one another."""
    value = at.value
    if isinstance(value, dict):
        return 1 + max(map(_deep, value.values()), default=0)
    return 1 + max(map(_deep, value), default=0) if isinstance(value, list) else 0


def _put_below(
    at: Json, parts: list[str], value: Json, problems: Problems, above: str
) -> Json | None:
    part, rest = parts[0], parts[1:]
    here = above + pointer_of(part)

    if isinstance(at.value, list | dict):  # it is copied below
        problems.spend(1 + len(at.value) / 50, value.place)

    def nowhere(message: str) -> None:
        problems.error("RG041", message, value.place(key=value.key is not None))

    if isinstance(at.value, list):
        index = _index(part)
        if index is None or index >= len(at.value):
            nowhere(
                f'"{here}" is not there: the list has {len(at.value)} items, from 0'
            )
            return None
        items = list(at.value)
        new = (
            value if not rest else _put_below(items[index], rest, value, problems, here)
        )
        if new is None:
            return None
        items[index] = new
        return replace(at, value=items)
    if not isinstance(at.value, dict):
        nowhere(f'"{here}" is not there: "{above}" is {describe(at.value)}')
        return None
    members = dict(at.value)
    if not rest:
        if value.value is None:
            members.pop(part, None)
        else:
            members[part] = value
        return replace(at, value=members)
    if part not in members and not above and part in OPTIONAL:
        members[part] = replace(value, value={}, key=None)
    if part == "with" and "use" in members:  # which may have no arguments yet
        members.setdefault(part, replace(value, value={}, key=None))
    if part not in members:
        nowhere(f'"{here}" is not there{did_you_mean(part, members)}')
        return None
    new = _put_below(members[part], rest, value, problems, here)
    if new is None:
        return None
    members[part] = new
    return replace(at, value=members)
