"""What the blocks of a spec's own are called: as their source calls them, or are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.ops import OPERATORS
from resgen.recovery.factor import FORMS
from resgen.recovery.known import unused
from resgen.spec.library import builtin_files

#: Names that say nothing of what a block is.
_UNTOLD: Final = ("block", "unit", "piece")
#: Packages whose classes say nothing of the network that is made of them.
_GENERAL: Final = ("torch.", "resgen.")
#: How many parts of a block its name tells.
_MOST: Final = 3
#: Keys of a spec under which a word is no name of a block.
_WORDS: Final = ("as", "name", "from", "when", "type", "op", "for", "in", "params")


def called(spec: dict[str, Any], classes: Mapping[str, str]) -> dict[str, Any]:
    """The spec, its blocks called as the ``classes`` of the parts that they are.

    Those of a file, which knows no classes, are called as what they are made of.
    """
    blocks = spec.get("blocks", {})
    graph = examine(spec).graph if blocks else None
    if graph is None:
        return spec
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for scope in graph.scopes:
        of, made = classes.get(scope.path, ""), scope.definition
        if made in blocks and of and not of.startswith(_GENERAL):
            found[made or ""][_snake(of.rpartition(".")[2])] += 1
    taken = {*builtin_files()["block"], *builtin_files()["shortcut"], *OPERATORS}
    names: dict[str, str] = {}
    for name, made in blocks.items():
        wanted = name
        if found[name]:
            wanted = found[name].most_common(1)[0][0]
        elif name.partition("_")[0] in _UNTOLD:
            wanted = _described(made["body"])
        names[name] = unused(wanted, taken)
        taken.add(names[name])
    return {**_renamed(spec, names), "blocks": {
        names[name]: {**made, "body": _renamed(made["body"], names)}
        for name, made in blocks.items()
    }}  # fmt: skip


def _snake(word: str) -> str:
    """``InvertedResidual`` as ``inverted_residual``, without what is no letter."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+", word)
    made = "_".join(part.lower() for part in parts)
    return re.sub(r"_(\d)", r"\1", made)


def _described(body: Any) -> str:
    """What a body consists of, in the order in which it runs."""
    kinds = list(dict.fromkeys(_kinds(body)))
    if len(kinds) > _MOST:
        kinds = [kind for kind in kinds if kind not in ("act", "slice", "item")]
    return "_".join(kinds[:_MOST])


def _kinds(body: Any) -> Iterator[str]:
    for element in body if isinstance(body, list) else [body]:
        if isinstance(element, str):
            yield element
        elif "seq" in element or "for" in element:
            yield from _kinds(element.get("seq", element.get("body")))
        elif element.get("concat") and [] in element["concat"]:
            yield "dense"
        else:
            form = next((key for key in FORMS if key in element), "part")
            yield element.get("op") or element.get("use") or form


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _renamed(inner, names, k) for k, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names, key) for inner in value]
    if isinstance(value, str) and key not in _WORDS:
        return names.get(value, value)
    return value
