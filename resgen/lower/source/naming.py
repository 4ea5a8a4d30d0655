"""Names of the file's own: classes, arguments and variables."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable
from keyword import iskeyword, issoftkeyword


class Namer:
    """Gives names out, each once, and none that means something in Python."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def free(self, name: str) -> bool:
        """Whether this can be a name of ours."""
        plain = name.isidentifier() and not name.startswith("__")
        word = iskeyword(name) or issoftkeyword(name) or hasattr(builtins, name)
        return plain and not word and name not in self.taken

    def first(self, *names: str) -> str:
        """The first that is free, else the very first with a number."""
        return self(next((name for name in names if self.free(name)), names[0]))

    def __call__(self, name: str) -> str:
        """This name, or it with a number."""
        name = found = name.strip("_") or "value"
        number = 2
        while not self.free(found):
            found = f"{name}{number}"
            number += 1
        self.taken.add(found)
        return found


def camel(words: str) -> str:
    """``pre_bottleneck`` as the name of a class."""
    split = re.split(r"[\W_]+", words)
    name = "".join(word[:1].upper() + word[1:] for word in split)
    name = "".join(c for c in name if f"a{c}".isidentifier())
    return name if name.isidentifier() else f"Net{name}"
