"""The forms that an artifact can have, found by their files.

A module of this package that holds ``FORM`` (:class:`resgen.artifact.form.Form`) is a
form, and goes by the name of its file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from resgen.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from resgen.artifact.form import Form


def names() -> tuple[str, ...]:
    """The forms that there are."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def find(name: str) -> Form:
    """The form of this name, or a :class:`~resgen.errors.UsageError`."""
    if name not in names():
        raise UsageError(
            f'there is no form "{name}"{did_you_mean(str(name), names())}',
            hint=f"there are {', '.join(names())}",
        )
    form: Form = import_module(f"{__name__}.{name}").FORM
    return form
