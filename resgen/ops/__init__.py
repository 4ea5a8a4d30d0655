"""The operators of the language, one file an operator, which bears its name.

They are found by their files: a new operator is a new file here and nothing else. A
file is imported when its operator is first asked for, since a network needs few of
them. Neither torch nor onnx nor numpy is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Final, TypeVar

from resgen.ops.base import REGISTRY, Op, signature
from resgen.spec.params import OperatorEntry, Vocabulary

T = TypeVar("T")
_FILES: Final = frozenset(module.name for module in iter_modules(__path__))


class _Found(Mapping[str, T]):
    """What ``told`` says of the operators of which it says anything, by their names."""

    def __init__(self, told: Callable[[type[Op]], T | None]) -> None:
        self._told = told
        # Every spec asks for names of which nothing is told, so that is kept as well.
        self._known: dict[str, T | None] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            operator = _operator(name)
            if operator is None:
                raise KeyError(name)
            self._known[name] = self._told(operator)
        told = self._known[name]
        if told is None:
            raise KeyError(name)
        return told

    def __iter__(self) -> Iterator[str]:
        return (name for name in sorted(_FILES) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _operator(name: str) -> type[Op] | None:
    """The operator of this name; other files hold what operators are made of."""
    if name in _FILES:
        import_module(f"{__name__}.{name}")
    return REGISTRY.get(name)


def _entry(op: type[Op]) -> OperatorEntry | None:
    if op.arity is None or op.placed:
        return None
    return OperatorEntry(
        signature(op),  # type: ignore[arg-type]  # mypy doubts that types hash
        op.shorthand,
        op.summary(),
    )


#: Every operator by its name in the language.
OPERATORS: Final[Mapping[str, type[Op]]] = _Found(lambda op: op)

#: What the language knows of them. Those that bring branches together are forms of an
#: element instead, and are left out, as are those that passes place.
VOCABULARY: Final[Vocabulary] = _Found(_entry)
