"""The canonical form of a spec: what its SHA-256 identifies everywhere.

It embeds every definition that the network uses, so it means the same under another
resgen; drops ``doc`` and ``$schema``; and is written by RFC 8785, so equal networks are
equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import rfc8785

from resgen.spec.model import Definition, Preprocess
from resgen.spec.source import Json

#: Largest whole number that every JSON reader takes exactly.
_EXACT = 2**53 - 1


def canonical_form(
    members: Mapping[str, Json],
    used: Mapping[tuple[str, str], Definition],
    preprocess: Preprocess,
    labels: tuple[str, ...] | None,
) -> dict[str, Any]:
    """The tree that is written and hashed."""
    tree = {
        key: _plain(at)
        for key, at in members.items()
        if key not in ("doc", "$schema", "blocks", "shortcuts") and at.value is not None
    }
    for kind, key in (("block", "blocks"), ("shortcut", "shortcuts")):
        found = {n: _definition(d) for (k, n), d in used.items() if k == kind}
        if found:
            tree[key] = found
    tree["preprocess"] = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(preprocess).items()
    }
    if labels is not None:
        tree["labels"] = list(labels)
    return tree


def _definition(made: Definition) -> Any:
    tree = _plain(made.at)
    for key in ("resgen", "block", "shortcut"):
        tree.pop(key, None)
    return tree


def _plain(at: Json) -> Any:
    value = at.value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in ("doc", "$schema")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)  # as an expression, where a double would round it
    return value


def canonical_bytes(tree: Mapping[str, Any]) -> bytes:
    """The bytes of RFC 8785."""
    return rfc8785.dumps(dict(tree))


def digest(tree: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical_bytes(tree)).hexdigest()
