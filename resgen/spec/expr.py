"""The expressions of the language: ``"mid // reduce"``, ``"1/4"``, ``"index == 0"``.

A parser of our own over a short grammar, so nothing but arithmetic can be said in a
spec. Precedence, chained comparisons and ``and``/``or`` are Python's:

    expression  = choice ["if" choice "else" expression]
    choice      = operands joined by: or < and < not < comparisons < + - < * / // %
                  < unary - < ** (from the right)
    operand     = primary {"[" expression "]"}
    primary     = number | string | name | function "(" arguments ")"
                | "(" expression ")"

An expression becomes nested closures once, when it is read; :mod:`arithmetic` says what
the operators do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

from resgen.errors import did_you_mean
from resgen.spec import closures
from resgen.spec.arithmetic import (
    COMPARISONS,
    FUNCTIONS,
    MAX_BITS,
    MAX_EXPONENT,
    ExprError,
    Value,
    bounded,
)
from resgen.spec.closures import Run

__all__ = ["Expr", "ExprError", "Value", "constant", "parse"]

MAX_LENGTH: Final = 500
MAX_DEPTH: Final = 32


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression that was read.

    ``names`` are those it may ask for, ``evaluate`` gives its value under a mapping of
    names or raises :class:`ExprError`.
    """

    text: str
    names: frozenset[str]
    evaluate: Callable[[Mapping[str, Any]], Value] = field(repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """By its text, or its value if no name has a part in it: closures stay here."""
        if self.names:
            return parse, (self.text,)
        return _valued, (self.text, self.evaluate({}))


def constant(value: Any) -> Expr:
    """The expression that is always ``value``.

    >>> constant(Fraction(1, 4))
    Expr(text='1/4', names=frozenset())
    """
    if isinstance(value, str):
        text = repr(value)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return _valued(text, value)


def _valued(text: str, value: Any) -> Expr:
    return Expr(text, frozenset(), lambda env: value)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """Read an expression; one without names is evaluated right away.

    Raises ExprError when it is not in the grammar, is longer than 500 characters or
    deeper than 32 operations, or has no value whatever the names are (``1/0``).
    """
    parser = _Parser(text)
    node = parser.whole()
    names = frozenset(parser.names)
    if names:
        return Expr(text, names, node.run)
    return _valued(text, node.run({}))


class _Node(NamedTuple):
    """A part of an expression: how to evaluate it, and the operations inside it."""

    run: Run
    depth: int


class _Token(NamedTuple):
    """``kind`` is ``number``, ``string``, ``name``, or the operator or word itself."""

    kind: str
    text: str
    offset: int


_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!\w))"
    r"|(?P<string>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|//|[=!<>]=|[-+*/%<>()\[\],=])"
)
_WORDS: Final = frozenset(("and", "or", "not", "if", "else"))
_BOOLEANS: Final = {"true": True, "false": False}
#: How tightly an operator binds. ``not`` is 3, unary minus 7.
_BINDING: Final = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(COMPARISONS, 4),
    **dict.fromkeys("+-", 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
    "**": 8,
}
#: What people write who think of another language.
_MEANT: Final = {
    "&": "and",
    "|": "or",
    "!": "not",
    "=": "==",
    "^": "**",
    "?": "x if condition else y",
}


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        kind = match.lastgroup or ""
        if kind == "operator" or match[0] in _WORDS:
            kind = match[0]
        if kind != "space":
            tokens.append(_Token(kind, match[0], at))
        at = match.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _unreadable(text: str, at: int) -> ExprError:
    """No token starts at ``at``."""
    if text[at] in "'\"":
        return ExprError("the string never ends", at)
    if text[at].isdigit():
        return ExprError("not a number", at)
    meant = _MEANT.get(text[at])
    hint = f'; write "{meant}"' if meant else ""
    return ExprError(f"unexpected {json.dumps(text[at], ensure_ascii=False)}{hint}", at)


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            message = f"an expression has at most {MAX_LENGTH} characters"
            raise ExprError(f"{message}, not {len(text)}", MAX_LENGTH)
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0
        self.names: set[str] = set()

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        token = self.token
        self.position += 1
        return token

    def expect(self, kind: str) -> None:
        if self.token.kind != kind:
            raise self.unexpected(f'"{kind}"')
        self.position += 1

    def unexpected(self, wanted: str) -> ExprError:
        kind, text, offset = self.token
        found = f'"{text}"' if text else "the end"
        hint = '; write "==" to compare' if kind == "=" else ""
        return ExprError(f"expected {wanted}, not {found}{hint}", offset)

    def node(self, offset: int, run: Run, *parts: _Node) -> _Node:
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} operations inside one another"
            raise ExprError(f'{message}; name a part of it in "let"', offset)
        return _Node(run, depth)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of nesting"
            raise ExprError(message, self.token.offset)

    # Grammar

    def whole(self) -> _Node:
        node = self.expression()
        if self.token.kind != "end":
            raise self.unexpected("an operator or the end")
        return node

    def expression(self) -> _Node:
        self.enter()
        node = self.choice(0)
        if self.token.kind == "if":
            offset = self.take().offset
            condition = self.choice(0)
            self.expect("else")
            other = self.expression()
            run = closures.conditional(condition.run, node.run, other.run)
            node = self.node(offset, run, condition, node, other)
        self.depth -= 1
        return node

    def choice(self, binding: int) -> _Node:
        """Operands and the operators that bind tighter than ``binding``."""
        left = self.prefix()
        while (power := _BINDING.get(self.token.kind, 0)) > binding:
            if power == 4:
                left = self.comparisons(left)
                continue
            operator = self.take()
            right = self.choice(power - 1 if power == 8 else power)
            run = closures.binary(operator.kind, left.run, right.run, operator.offset)
            left = self.node(operator.offset, run, left, right)
        return left

    def comparisons(self, first: _Node) -> _Node:
        """``a < b <= c``, which holds when each step does."""
        parts = [first]
        steps = []
        offset = self.token.offset
        while _BINDING.get(self.token.kind) == 4:
            operator = self.take()
            parts.append(self.choice(4))
            steps.append((operator.kind, parts[-1].run, operator.offset))
        if len(steps) == 1:
            return self.node(offset, closures.comparison(first.run, *steps[0]), *parts)
        return self.node(offset, closures.chain(first.run, steps), *parts)

    def prefix(self) -> _Node:
        if self.token.kind not in ("-", "not"):
            return self.operand()
        self.enter()
        operator = self.take()
        # "not" takes comparisons with it, "-" takes "**" only.
        inner = self.choice(3 if operator.kind == "not" else 7)
        self.depth -= 1
        if operator.kind == "not":
            run = closures.inversion(inner.run)
        else:
            run = closures.negation(inner.run, operator.offset)
        return self.node(operator.offset, run, inner)

    def operand(self) -> _Node:
        node = self.primary()
        while self.token.kind == "[":
            offset = self.take().offset
            index = self.expression()
            self.expect("]")
            run = closures.index(node.run, index.run, offset)
            node = self.node(offset, run, node, index)
        return node

    def primary(self) -> _Node:
        kind, text, offset = self.token
        if kind not in ("number", "string", "name", "("):
            raise self.unexpected("a value")
        self.position += 1
        if kind == "(":
            node = self.expression()
            self.expect(")")
            return node
        if kind == "number":
            return self.node(offset, closures.literal(_number(text, offset)))
        if kind == "string":
            return self.node(offset, closures.literal(text[1:-1]))
        if self.token.kind == "(":
            return self.call(text, offset)
        if text in _BOOLEANS:
            return self.node(offset, closures.literal(_BOOLEANS[text]))
        self.names.add(text)
        return self.node(offset, closures.name(text, offset))

    def call(self, name: str, offset: int) -> _Node:
        if name not in FUNCTIONS:
            near = did_you_mean(name, FUNCTIONS)
            raise ExprError(f'"{name}" is not a function{near}', offset)
        function, parameters, required = FUNCTIONS[name]
        self.expect("(")
        positional: list[_Node] = []
        named: dict[str, _Node] = {}
        while self.token.kind != ")":
            after = self.tokens[self.position + 1].kind
            if self.token.kind == "name" and after == "=":
                keyword = self.take()
                self.position += 1
                taken = (*parameters[: len(positional)], *named)
                if keyword.text not in parameters:
                    near = did_you_mean(keyword.text, parameters)
                    message = f'{name} takes no "{keyword.text}"{near}'
                    raise ExprError(message, keyword.offset)
                if keyword.text in taken:
                    message = f'"{keyword.text}" is given twice'
                    raise ExprError(message, keyword.offset)
                named[keyword.text] = self.expression()
            elif named:
                raise self.unexpected("an argument with its name")
            else:
                positional.append(self.expression())
            if self.token.kind != ")":
                self.expect(",")
        self.expect(")")
        missing = [p for p in parameters[len(positional) : required] if p not in named]
        if (parameters and len(positional) > len(parameters)) or missing:
            takes = ", ".join(parameters)
            given = len(positional) + len(named)
            raise ExprError(f"{name} takes ({takes}), not {given} values", offset)
        if not parameters and len(positional) < required:
            raise ExprError(f"{name} takes at least {required} value", offset)
        parts = (*positional, *named.values())
        values = tuple(part.run for part in positional)
        keywords = {key: part.run for key, part in named.items()}
        return self.node(
            offset, closures.call(function, offset, values, keywords), *parts
        )


def _number(text: str, offset: int) -> int | Fraction:
    """A literal as the exact number that it writes."""
    _, _, exponent = text.lower().partition("e")
    if len(text) > MAX_BITS or (exponent and abs(int(exponent)) > MAX_EXPONENT):
        raise ExprError("the number is too large to go on with", offset)
    value: int | Fraction = bounded(Fraction(text), offset)
    return value
