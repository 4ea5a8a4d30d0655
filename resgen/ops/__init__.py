"""The operators of the language, one file an operator or a family of them.

They are found by their files: a new operator is a new file here and nothing else.
Neither torch nor onnx nor numpy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from resgen.ops.base import REGISTRY, Op, signature
from resgen.spec.params import OperatorEntry, Vocabulary

#: What operators are made of, and no operators themselves.
_INTERFACES: Final = frozenset({"base", "initial", "types"})

for _module in iter_modules(__path__):
    if _module.name not in _INTERFACES:
        import_module(f"{__name__}.{_module.name}")

#: Every operator by its name in the language.
OPERATORS: Final[Mapping[str, type[Op]]] = dict(sorted(REGISTRY.items()))

#: What the language knows of them. Those that bring branches together are forms of an
#: element instead, and are left out, as are those that passes place.
VOCABULARY: Final[Vocabulary] = {
    name: OperatorEntry(
        signature(op),  # type: ignore[arg-type]  # mypy doubts that types hash
        op.shorthand,
        op.summary(),
    )
    for name, op in OPERATORS.items()
    if op.arity is not None and not op.placed
}
