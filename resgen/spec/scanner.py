"""The grammar of JSON, and of the mistakes that people make in it.

Each usual form is one match of a regular expression; what these refuse is looked at
more closely. Where the meaning of a mistake is plain it is reported and read as meant.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final, NoReturn

from resgen.spec.places import Json, JsonValue, Problems, Source, escaped

MAX_NESTING: Final = 64
MAX_NUMBER: Final = 40
#: A file with more mistakes than this is no spec; the rest is not read.
MAX_PROBLEMS: Final = 50

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_COMMENT: Final = re.compile(r"//[^\n\r]*|#[^\n\r]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?")
# The usual forms, one match each; whatever they refuse is looked at more closely.
_STRING: Final = re.compile(r'"([^"\\\x00-\x1f]*)"')
_KEY: Final = re.compile(r'("([^"\\\x00-\x1f]*)")[ \t\n\r]*:[ \t\n\r]*')
_NUMBER: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"(?![\w.+*%-]|/(?![/*]))"
)
_WORD: Final = re.compile(r"[+-]?[^\W0-9][\w.$-]*")
_AFTER: Final = re.compile(r"[ \t\n\r]*([,\]}])[ \t\n\r]*")
# The same with mistakes in them.
_QUOTED: Final = {
    '"': re.compile(r'"([^"\\\n\r]*(?:\\[^\n\r][^"\\\n\r]*)*)"'),
    "'": re.compile(r"'([^'\\\n\r]*(?:\\[^\n\r][^'\\\n\r]*)*)'"),
}
_NUMBERLIKE: Final = re.compile(r"[+-]?\.?[0-9](?:[\w.+*%-]|/(?![/*]))*")
_SPECIAL: Final = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u([0-9a-fA-F]{4})|\\(.)|([\x00-\x1f])"
)
_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
#: How other languages spell them.
_FOREIGN: Final = {"none": "null", "nil": "null", "undefined": "null"}
_NOT_FINITE: Final = frozenset(("nan", "inf", "infinity"))
_PAIRS: Final = {"{": "}", "[": "]"}


class _Stop(Exception):
    """Reading on would only guess."""


class Scanner:
    """One reading of one text; ``open`` holds the offsets of the open brackets."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.text = source.text
        self.problems = problems
        self.found = 0
        self.open: list[int] = []
        #: Whether a value was left out because nothing says what it was meant to be.
        self.lost = False

    def document(self, start: int = 0, pointer: str = "") -> Json | None:
        try:
            value = self.value(self.skip(start, pointer), pointer, None)
            rest = self.skip(value.end, pointer)
            if rest < len(self.text):
                self.stop("more text after the end of the value", rest, "", "remove it")
        except _Stop:
            return None
        return None if self.lost else value

    # Reporting

    def report(
        self,
        message: str,
        start: int,
        end: int,
        pointer: str,
        hint: str | None = None,
        code: str = "RG001",
    ) -> None:
        place = self.source.place(start, end, pointer)
        self.problems.error(code, message, place, hint)
        self.found += 1
        if self.found == MAX_PROBLEMS:
            raise _Stop

    def stop(
        self,
        message: str,
        at: int,
        pointer: str,
        hint: str | None = None,
        code: str = "RG001",
    ) -> NoReturn:
        self.report(message, at, at + 1, pointer, hint, code)
        raise _Stop

    def unexpected(self, at: int, pointer: str, wanted: str) -> NoReturn:
        """Nothing that fits stands at ``at``: say why, and stop."""
        found = self.text[at : at + 1]
        if found in _PAIRS.values() and self.open and found != self.closer():
            line = self.source.place(self.open[-1], self.open[-1], "").line
            opener = self.text[self.open[-1]]
            message = f'"{found}" closes nothing: the "{opener}" of line {line} is open'
            self.stop(message, at, pointer, f'write "{self.closer()}" first')
        if not found and self.open:
            opener = self.text[self.open[-1]]
            hint = f'write "{self.closer()}" where it ends'
            self.stop(f'"{opener}" is never closed', self.open[-1], pointer, hint)
        shown = json.dumps(found) if found else "the end"
        self.stop(f"expected {wanted}, not {shown}", at, pointer)

    def closer(self) -> str:
        return _PAIRS[self.text[self.open[-1]]]

    # Reading

    def skip(self, at: int, pointer: str) -> int:
        """The next offset that is neither white space nor a comment."""
        text = self.text
        while True:
            match = _SPACE.match(text, at)
            at = match.end() if match else at
            comment = _COMMENT.match(text, at)
            if comment is None:
                return at
            hint = 'remove it, or write it as "doc": "..."'
            self.report("JSON has no comments", at, comment.end(), pointer, hint)
            at = comment.end()

    def value(self, at: int, pointer: str, key: tuple[int, int] | None) -> Json:
        text = self.text
        # Every value keeps its pointer, so a long key is copied into all below it.
        self.problems.left -= 5 + (len(pointer) >> 6)
        if self.problems.left < 0:
            self.problems.spend(0, lambda: self.source.place(at, at + 1, pointer[:99]))
        first = text[at : at + 1]
        value: JsonValue
        if first == '"':
            string = _STRING.match(text, at)
            if string is not None:
                return Json(string[1], self.source, at, string.end(), pointer, key)
            value, end = self.string(at, pointer)
        elif first == "{" or first == "[":
            if len(self.open) == MAX_NESTING:
                message = f"nested more than {MAX_NESTING} deep"
                self.stop(message, at, pointer, code="RG004")
            self.open.append(at)
            value, end = (self.object if first == "{" else self.array)(at, pointer)
            self.open.pop()
        elif (number := _NUMBER.match(text, at)) is not None:
            end = number.end()
            if not number[1] and end - at < 16:
                value = int(number[0])
            else:
                value = self.number(at, end, pointer)
        elif (word := _WORD.match(text, at)) is not None:
            end = word.end()
            value = _WORDS[word[0]] if word[0] in _WORDS else self.word(word, pointer)
        elif first == "'":
            value, end = self.string(at, pointer)
        elif (like := _NUMBERLIKE.match(text, at)) is not None:
            end = like.end()
            value = self.numberlike(like, pointer)
        else:
            self.unexpected(at, pointer, "a value")
        return Json(value, self.source, at, end, pointer, key)

    def array(self, at: int, pointer: str) -> tuple[list[Json], int]:
        text = self.text
        items: list[Json] = []
        at = self.skip(at + 1, pointer)
        while not text.startswith("]", at):
            item = self.value(at, f"{pointer}/{len(items)}", None)
            items.append(item)
            at = self.separator(item.end, "]", pointer)
        return items, at + 1

    def object(self, at: int, pointer: str) -> tuple[dict[str, Json], int]:
        text = self.text
        members: dict[str, Json] = {}
        at = self.skip(at + 1, pointer)
        while not text.startswith("}", at):
            match = _KEY.match(text, at)
            if match is not None:
                name, span, at = match[2], match.span(1), match.end()
            else:
                name, span, at = self.key(at, pointer)
            inner = f"{pointer}/{escaped(name)}"
            if name in members:
                self.duplicate(name, members[name], span, inner)
            if text.startswith(("/", "#"), at):
                at = self.skip(at, inner)
            member = self.value(at, inner, span)
            members.setdefault(name, member)
            at = self.separator(member.end, "}", pointer)
        return members, at + 1

    def duplicate(
        self, name: str, first: Json, span: tuple[int, int], pointer: str
    ) -> None:
        line = first.place(key=True).line
        message = f"{_quoted(name)} is already given on line {line}"
        self.report(message, *span, pointer, "remove one of the two", "RG002")

    def key(self, at: int, pointer: str) -> tuple[str, tuple[int, int], int]:
        """A key that is not written in the usual way, and its colon."""
        start = at
        if self.text.startswith(('"', "'"), at):
            name, at = self.string(at, pointer)
        elif (word := _WORD.match(self.text, at)) is not None:
            name, at = word[0], word.end()
            message = f"the key {_cut(name)} stands without quotes"
            self.report(message, start, at, pointer, f"write {_quoted(name)}")
        else:
            self.unexpected(at, pointer, "a key in double quotes")
        colon = self.skip(at, pointer)
        if not self.text.startswith(":", colon):
            hint = f"write {_quoted(name)}: and its value"
            self.stop('expected ":" after this key', start, pointer, hint)
        return name, (start, at), self.skip(colon + 1, pointer)

    def separator(self, at: int, closer: str, pointer: str) -> int:
        """From the end of one element to the start of the next, or to ``closer``."""
        text = self.text
        match = _AFTER.match(text, at)
        if match is None:
            following = self.skip(at, pointer)
            match = _AFTER.match(text, following)
            if match is None:
                if not self.starts_value(following):
                    self.unexpected(following, pointer, f'"," or "{closer}"')
                hint = 'write "," here'
                self.report("a comma is missing", at, at + 1, pointer, hint)
                return following
        comma, following = match.start(1), match.end()
        if match[1] != ",":
            if match[1] != closer:
                self.unexpected(comma, pointer, f'"," or "{closer}"')
            return comma
        if text.startswith(("/", "#"), following):
            following = self.skip(following, pointer)
        if text.startswith(closer, following):
            message = "a comma after the last element"
            self.report(message, comma, comma + 1, pointer, "remove it")
        return following

    def starts_value(self, at: int) -> bool:
        text = self.text
        return text.startswith(('"', "'", "{", "["), at) or any(
            form.match(text, at) for form in (_NUMBERLIKE, _WORD)
        )

    def string(self, at: int, pointer: str) -> tuple[str, int]:
        """A string with escapes in it, or with mistakes."""
        quote = self.text[at]
        match = _QUOTED[quote].match(self.text, at)
        if match is None:
            hint = f"write {quote} at its end; a line break in a string is \\n"
            self.stop("the string does not end on its line", at, pointer, hint)
        value = _SPECIAL.sub(self.unescape(at + 1, quote, pointer), match[1])
        if quote == "'":
            hint = f"write {_quoted(value)}"
            message = "strings stand in double quotes"
            self.report(message, at, match.end(), pointer, hint)
        return value, match.end()

    def unescape(
        self, origin: int, quote: str, pointer: str
    ) -> Callable[[re.Match[str]], str]:
        """What each special part of a string means; ``origin`` is where it starts."""

        def meaning(match: re.Match[str]) -> str:
            high, low, code, letter, control = match.groups()
            if high is not None:
                pair = 0x400 * (int(high, 16) - 0xD800) + int(low, 16) - 0xDC00
                return chr(0x10000 + pair)
            start, end = origin + match.start(), origin + match.end()
            if code is not None:
                character = chr(int(code, 16))
                if not "\ud800" <= character <= "\udfff":
                    return character
                message = f"\\u{code} is only half of a character (a lone surrogate)"
                hint = "write the character itself, or both halves"
                self.report(message, start, end, pointer, hint)
                return "\ufffd"
            if control is not None:
                written = json.dumps(control)[1:-1]
                message = "an unescaped control character in a string"
                self.report(message, start, end, pointer, f"write {written}")
                return str(control)
            if letter in _ESCAPES:
                return _ESCAPES[letter]
            if letter != "'" or quote != "'":
                message, hint = f"\\{letter} is no escape", f"write \\\\{letter}"
                if letter == "u":
                    hint = "write four hexadecimal digits after it"
                self.report(message, start, end, pointer, hint)
            return str(letter)

        return meaning

    def number(self, at: int, end: int, pointer: str) -> int | Fraction:
        """A number in proper form, as its nearest double is written shortest."""
        text = self.text[at:end]
        if len(text) > MAX_NUMBER:
            message = f"a number of more than {MAX_NUMBER} characters"
            hint = "17 digits say all that a double can hold"
            self.report(message, at, end, pointer, hint, "RG005")
            self.lost = True
            return 0
        double = float(text)
        mantissa = text.lower().partition("e")[0]
        if math.isinf(double) or (double == 0 and mantissa.strip("-0.")):
            size = "large" if double else "small"
            message = f"{text} is too {size} for a double"
            hint = "write a magnitude between 5e-324 and 1.79e308, or 0"
            self.report(message, at, end, pointer, hint, "RG005")
            self.lost = True
            return 0
        value = Fraction(repr(double))
        if mantissa == text and "." not in text and value != int(text):
            message = f"{text} is not exact as a double, so JSON tools would change it"
            hint = f"write {value}, or an integer of at most {2**53}"
            self.report(message, at, end, pointer, hint, "RG005")
        return value.numerator if value.denominator == 1 else value

    def numberlike(self, match: re.Match[str], pointer: str) -> int | Fraction | str:
        """``+1``, ``.5``, ``1_000``, ``0x10``; or an expression without quotes."""
        text = match[0]
        value: int | float | None = None
        if len(text) <= MAX_NUMBER:
            for convert in (int, float, lambda written: int(written, 0)):
                try:
                    value = convert(text)
                except ValueError:
                    continue
                break
        if value is not None and math.isfinite(value):
            meant = Fraction(repr(float(value)))
            whole = meant.denominator == 1
            hint = f"write {meant.numerator if whole else float(meant)}"
            message = f"{text} is not a JSON number"
            self.report(message, *match.span(), pointer, hint, "RG005")
            return meant.numerator if whole else meant
        message = f"{_cut(text)} is neither a number nor a string"
        hint = f"write {_quoted(text)} if it is an expression"
        self.report(message, *match.span(), pointer, hint)
        return text

    def word(self, match: re.Match[str], pointer: str) -> JsonValue:
        """A word that JSON does not have."""
        word = match[0]
        lowered = word.lower()
        if lowered.lstrip("+-") in _NOT_FINITE:
            message, hint = f"{word} is not a JSON number", "write a finite number"
            self.report(message, *match.span(), pointer, hint, "RG005")
            self.lost = True
            return None
        meant = _FOREIGN.get(lowered, lowered)
        hint = f"write {meant if meant in _WORDS else _quoted(word)}"
        message = f"{_cut(word)} stands without quotes"
        if meant in _WORDS:
            message = f"{word} is not JSON"
        self.report(message, *match.span(), pointer, hint)
        return _WORDS.get(meant, word)


def _cut(text: str) -> str:
    """``text``, shortened so that a message stays a line."""
    return text if len(text) <= MAX_NUMBER else text[: MAX_NUMBER - 3] + "..."


def _quoted(text: str) -> str:
    return json.dumps(_cut(text), ensure_ascii=False)
