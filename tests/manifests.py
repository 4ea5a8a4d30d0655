"""Manifests that were altered, also by somebody who knows how they are sealed."""

import copy
import json

from resgen.document.files import digest

#: What stands in the place of a value, of other types and of its own.
INSTEAD = [
    None, True, 0, -1, 3, 10**30, 1e308, 0.5, "", "x", "../../etc/passwd", "/etc/hosts",
    "\0", "\ud800", "\x1b[2J", "a" * 5000, [], [0], [None], [[]], {}, {"": 0},
    {"a": {"b": [1]}},
]  # fmt: skip


def resealed(path, manifest):
    """Write a manifest with a digest that fits what it says now."""
    manifest = {key: value for key, value in manifest.items() if key != "sha256"}
    path.write_text(json.dumps({**manifest, "sha256": digest(manifest)}))


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def places(value, at=()):
    """Every leaf and every container, by the way to it."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from places(item, (*at, key))
        else:
            yield (*at, key)


def mutations(document):
    for at in places(document):
        if at:
            for value in (*INSTEAD, nested(400)):
                yield at, "replaced", value
            yield at, "removed", None
        yield at, "added", None


def mutated(document, at, how, value):
    changed = copy.deepcopy(document)
    whole = changed
    for key in at[:-1]:
        whole = whole[key]
    if how == "replaced":
        whole[at[-1]] = value
    elif how == "removed":
        del whole[at[-1]]
    else:
        inner = whole[at[-1]] if at else changed
        if isinstance(inner, dict):
            inner["x\x1b"] = 1
        elif isinstance(inner, list):
            inner.append("x")
    return changed
