"""What networks are made of, and what is said and made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resgen.spec.params import Param


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one of them takes; ``default`` is as JSON has it."""

    name: str
    type: str
    required: bool
    default: Any
    doc: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them; ``kind`` is in the singular, ``doc`` a line.

    A word of the language has an example, a code a severity, and codes have a text.
    """

    name: str
    kind: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    example: str = ""
    severity: str = ""
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As ``resgen list --json`` has it."""
        found = {key: value for key, value in asdict(self).items() if value != ""}
        return {**found, "parameters": [asdict(each) for each in self.parameters]}


def entries() -> Iterator[Entry]:
    """All of them: definitions, operators, words, codes and forms."""
    yield from _definitions()
    yield from _words()
    yield from _codes()
    yield from _forms()


def _definitions() -> Iterator[Entry]:
    from resgen.ops import VOCABULARY
    from resgen.spec.library import builtin, builtin_files, registered_files

    library = builtin(VOCABULARY)
    for kind, files in (*builtin_files().items(), *registered_files().items()):
        for name, path in files.items():
            made = library.block(name) if kind == "block" else library.shortcut(name)
            if made is not None:
                folder = path.parent.name.removesuffix("s")
                yield Entry(name, folder, made.doc, _parameters(made.params))
    for name, operator in VOCABULARY.items():
        yield Entry(name, "operator", operator.doc, _parameters(operator.signature))


def _words() -> Iterator[Entry]:
    from resgen.spec.words import words

    for word in words():
        yield Entry(word.name, "word", word.doc, example=word.example)


def _codes() -> Iterator[Entry]:
    from resgen.diagnosis.verdict.findings import VERDICT
    from resgen.graph.check import EXPLANATIONS

    for code in (*EXPLANATIONS.values(), *VERDICT.values()):
        yield Entry(
            code.code, "code", code.title, severity=code.severity, text=code.text
        )


def _forms() -> Iterator[Entry]:
    from resgen import forms
    from resgen.options.group import options_of

    for name in forms.names():
        form = forms.find(name)
        taken = (
            Parameter(
                each,
                about.kind.metavar or "flag",
                False,
                _plain(about.default),
                about.help,
            )
            for each, about in options_of(form.options)
        )
        yield Entry(name, "form", form.summary, tuple(taken))


def _parameters(params: Mapping[str, Param]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name,
            str(param),
            param.required,
            None if param.required else _plain(param.default),
            param.doc,
        )
        for name, param in params.items()
    )


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    from fractions import Fraction  # a list of networks needs none

    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
