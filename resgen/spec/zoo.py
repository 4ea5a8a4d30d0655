"""The networks that come with resgen, found by name.

They are the files of ``specs/`` in a checkout, which the wheel carries inside the
package as ``resgen/zoo/``. A name is the file's name without ``.json``; folders only
sort them by family, so a name is unique across all of them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from resgen.errors import ResgenError, did_you_mean

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "zoo"
_CHECKOUT = _PACKAGE.parent / "specs"


def root() -> Path:
    """The folder that holds the zoo."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


@cache
def names() -> dict[str, Path]:
    """Every network of the zoo, by name, in alphabetical order."""
    return {path.stem: path for path in sorted(root().rglob("*.json"), key=_by_name)}


def find(name: str) -> Path:
    """The file of the network called ``name``; a ResgenError if there is none."""
    zoo = names()
    if name not in zoo:
        near = _elsewhere(name) or did_you_mean(name, zoo)
        raise ResgenError(
            f'the zoo has no network "{name}"{near}',
            hint="`resgen list` shows the zoo; the path of a .json file works as well",
        )
    return zoo[name]


def _elsewhere(name: str) -> str:
    """Which network torchvision calls so, as the remark of one says."""
    said = re.compile(rf"torchvision's {re.escape(name)}[.,]")
    for own, path in names().items():
        if said.search(path.read_text("utf-8")):
            return f'; torchvision calls "{own}" so'
    return ""


def _by_name(path: Path) -> tuple[str, Path]:
    return path.stem, path
