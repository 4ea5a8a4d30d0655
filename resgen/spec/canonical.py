"""The canonical form of a spec: what its SHA-256 identifies everywhere.

It embeds every definition that the network uses, so it means the same under another
resgen; drops ``doc`` and ``$schema``; and is written by RFC 8785, so equal networks are
equal bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import rfc8785

from resgen.spec.model import Definition, Spec
from resgen.spec.source import Json

#: Largest whole number that every JSON reader takes exactly.
_EXACT = 2**53 - 1


def canonical_form(spec: Spec) -> dict[str, Any]:
    """The tree that is written and hashed."""
    tree = {
        key: _plain(at)
        for key, at in spec.members.items()
        if key not in ("doc", "$schema", "blocks", "shortcuts") and at.value is not None
    }
    for found, key in ((spec.definitions, "blocks"), (spec.shortcuts, "shortcuts")):
        if found:
            tree[key] = {name: _definition(made) for name, made in found.items()}
    tree["preprocess"] = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(spec.preprocess).items()
    }
    if spec.labels is not None:
        tree["labels"] = list(spec.labels)
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


def canonical_bytes(spec: Spec) -> bytes:
    """The canonical form as RFC 8785 writes it."""
    return rfc8785.dumps(canonical_form(spec))


def digest(spec: Spec) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal: the network's identity."""
    return hashlib.sha256(canonical_bytes(spec)).hexdigest()
