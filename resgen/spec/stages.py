"""Stages and their defaults, read from JSON.

Every key that a stage or ``defaults`` states must be taken by something: the language,
an operator, or a parameter of a block, entry or exit. What nothing takes is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from resgen.errors import closest, did_you_mean, listed
from resgen.spec.keys import FORMS
from resgen.spec.library import Library
from resgen.spec.model import (
    PRECISION,
    Argument,
    Body,
    Definition,
    Items,
    NotGiven,
    PerBlock,
    Scalar,
    Stage,
    Taker,
)
from resgen.spec.params import Param, Vocabulary
from resgen.spec.source import Json

STAGE_KEYS: Final = (
    "block",
    "depth",
    "entry",
    "exit",
    "wrap",
    "stride",
    "name",
    "norm",
    "act",
    "dilate",
    "body",
    "precision",
    "doc",
)
#: The parameter of what wraps a stage that its blocks stand for.
WRAPPED: Final = "inside"
#: Stage keys that stand for operators, with arguments for the stage.
STAGE_OPERATORS: Final = ("norm", "act")

_DEPTH = Param("integer", minimum=0)
_STRIDE = Param("axes", minimum=1)
_BOOLEAN = Param("boolean")


class StageReader:
    """Reads ``defaults``, then ``stages``."""

    def __init__(self, library: Library, operators: Vocabulary) -> None:
        self.library = library
        self.operators = operators
        self.reader = library.reader
        self.binder = library.reader.binder
        self.problems = library.problems
        #: Arguments that operators have in this network unless told otherwise.
        self.operator_defaults: dict[str, Mapping[str, Argument]] = {}
        #: The precision of the whole network, stem and head included.
        self.precision: Argument | None = None
        self._keys: dict[str, Json] = {}  # stage keys that defaults state
        self._arguments: dict[str, Json] = {}  # arguments of blocks that they state
        self._wanted: set[str] = set()  # parameters that some stage can take
        self._unsure = False  # whether a block is unknown, and so its parameters

    def defaults(self, at: Json | None) -> None:
        """Sort what ``defaults`` says by who it speaks to."""
        for key, item in self.binder.object(at, '"defaults"').items():
            if key == "precision":
                self.precision = self.binder.argument(item, PRECISION)
            elif key in STAGE_KEYS and key not in STAGE_OPERATORS:
                self._keys[key] = item
            elif key in STAGE_OPERATORS or (
                key in self.operators and self._speaks_of(key, item)
            ):
                self.operator_defaults[key] = self._operator(key, item)
            else:
                self._arguments[key] = item
        self.library.state(frozenset(self.operator_defaults))

    def _speaks_of(self, operator: str, at: Json) -> bool:
        """Whether a default of this name is an operator's, not a block's parameter."""
        if isinstance(at.value, str):
            return self.operators[operator].shorthand is not None
        return isinstance(at.value, dict) and not any(key in at.value for key in FORMS)

    def _operator(self, name: str, at: Json) -> Mapping[str, Argument]:
        """Arguments of an operator: an object, or the string that is shorthand."""
        entry = self.operators[name]
        if isinstance(at.value, dict):
            return self.reader.operator_arguments(at, entry, f'operator "{name}"')
        if entry.shorthand is None or not isinstance(at.value, str):
            self.problems.mistyped(at, f'"{name}" takes an object of arguments')
            return {}
        bound = self.binder.argument(at, entry.signature[entry.shorthand])
        return {} if bound is None else {entry.shorthand: bound}

    def read(self, at: Json | None) -> list[Stage] | None:
        """The stages; None where there is no list of them."""
        if at is None:
            return None
        if not isinstance(at.value, list):
            self.problems.mistyped(at, '"stages" is a list of stages')
            return None
        stages = []
        for item in at.value:
            stated = len(self._keys) + len(self._arguments)
            self.problems.spend(20 + stated, item.place)
            if isinstance(item.value, dict):
                stages.append(self._stage(item, item.value))
            else:
                self.problems.mistyped(item, "a stage is an object")
        return stages

    def _stage(self, at: Json, own: Mapping[str, Json]) -> Stage:
        """A stage; one that a problem is found in is not run."""
        before = self.problems.told
        made = self._read(at, own)
        if self.problems.told == before:
            return made
        return replace(
            made,
            block=None,
            depth=None,
            body=self.reader.refused(at),
            stride=None,
            dilate=None,
            entry=None,
            exit=None,
            wrap=None,
            operators={},
            precision=None,
        )

    def _read(self, at: Json, own: Mapping[str, Json]) -> Stage:
        said = self._said(own)
        parts = {
            "block": self._block(said.get("block")),
            "entry": self._end(said.get("entry")),
            "exit": self._end(said.get("exit")),
            "wrap": self._wrap(said.get("wrap"), "body" in said),
        }
        takers = self._takers(at, own, parts)
        taken = {
            n for d in parts.values() if isinstance(d, Definition) for n in d.params
        }
        for key in ("block", "depth"):
            lacks = self.binder.lacks(own, key, {*STAGE_KEYS, *taken})
            if key not in said and "body" not in said and lacks:
                message = f'a stage needs "{key}" (or "defaults" says it)'
                self.problems.error("RG011", message, at.place())
        body = self.reader.body(said["body"]) if "body" in said else None
        depth, dilate, stride = (
            self._once(key, said.get(key), param)
            for key, param in (
                ("depth", _DEPTH),
                ("dilate", _BOOLEAN),
                ("stride", _STRIDE),
            )
        )
        entry, exit_ = (
            takers.get(key) or (part if isinstance(part, Body) else None)
            for key, part in parts.items()
            if key in ("entry", "exit")
        )
        return Stage(
            at=at,
            block=takers.get("block"),
            depth=depth,
            body=body,
            stride=stride,
            dilate=dilate,
            name=self.binder.path(said["name"]) if "name" in said else None,
            entry=entry,
            exit=exit_,
            wrap=takers.get("wrap"),
            operators={
                key: self._operator(key, own[key])
                for key in STAGE_OPERATORS
                if key in own and own[key].value is not None
            },
            precision=self._precision(own.get("precision")),
        )

    def _once(self, key: str, at: Json | None, param: Param) -> Any:
        """What a stage has once, so that no block of it can be told from another."""
        if at is None:
            return None
        read = self.binder.argument if param.kind == "axes" else self.binder.scalar
        found = read(at, param)
        for each in found.items if isinstance(found, Items) else (found,):
            if isinstance(each, Scalar) and "index" in each.expr.names:
                message = f'a stage has one "{key}", so no block has an "index" in it'
                hint = '"stage" counts stages, from 0'
                self.problems.error("RG032", message, each.at.place(), hint)
                return None
        return found

    def _precision(self, at: Json | None) -> Argument | PerBlock | None:
        """One for the stage, or a list of one a block; null says nothing."""
        if at is None:
            return None
        if not isinstance(at.value, list):
            return self.binder.argument(at, PRECISION)
        bound = (self.binder.argument(item, PRECISION) for item in at.value)
        values = [a or NotGiven(j) for a, j in zip(bound, at.value, strict=True)]
        return PerBlock(tuple(values), at)

    def _said(self, own: Mapping[str, Json]) -> Mapping[str, Json]:
        """The stage's keys, its own before those of the defaults."""
        defaults: Mapping[str, Json] = self._keys
        if "body" in own:
            # A body stands for block and depth, so their defaults do not apply.
            for key in ("block", "depth"):
                if key in own:
                    message = f'a stage has a "body" or a "{key}", not both'
                    self.problems.error("RG010", message, own[key].place(key=True))
            defaults = {
                k: v for k, v in defaults.items() if k not in ("block", "depth")
            }
        said = {**defaults, **{k: v for k, v in own.items() if k in STAGE_KEYS}}
        return {k: v for k, v in said.items() if v.value is not None}

    def _block(self, at: Json | None, key: str = "block") -> Definition | None:
        if at is None:
            return None
        if not isinstance(at.value, str):
            self.problems.mistyped(at, f'"{key}" is the name of a block')
            return None
        made = self.library.block(at.value)
        if made is None:
            choices = self.library.block_names()
            message = f'"{at.value}" is not a block{did_you_mean(at.value, choices)}'
            self.problems.error("RG020", message, at.place())
        return made

    def _wrap(self, at: Json | None, instead: bool) -> Definition | None:
        """The block around the stage's blocks, whose body parameter these are."""
        made = self._block(at, "wrap")
        if at is None or made is None:
            return None
        if instead:
            message = 'a stage with a "body" has no blocks to "wrap"'
            self.problems.error("RG010", message, at.place())
        held = made.params.get(WRAPPED)
        if not made.unsure and (held is None or held.kind != "body"):
            message = f'block "{made.name}" has no parameter "{WRAPPED}" of type "body"'
            hint = f'what wraps a stage runs its blocks by {{"use": "${WRAPPED}"}}'
            self.problems.error("RG023", message, at.place(), hint)
        return made

    def _end(self, at: Json | None) -> Definition | Body | None:
        """An entry or exit: a bare block takes the stage's keys, a body none."""
        if at is None:
            return None
        if isinstance(at.value, str) and at.value not in self.operators:
            made = self.library.block(at.value)
            if made is not None:
                return made
        return self.reader.body(at)

    # --- every argument is taken by something -----------------------------------------

    def _takers(
        self,
        at: Json,
        own: Mapping[str, Json],
        parts: Mapping[str, Definition | Body | None],
    ) -> dict[str, Taker]:
        made = {k: d for k, d in parts.items() if isinstance(d, Definition)}
        names = {name for d in made.values() for name in d.params}
        if "wrap" in made:
            names.discard(WRAPPED)
        self._wanted |= names
        stated = {k: v for k, v in own.items() if k not in STAGE_KEYS}
        unsure = "body" not in own and "block" not in made
        unsure = unsure or any(d.unsure for d in made.values())
        if unsure:
            # Not all is known of the block, so neither are the names that it takes.
            self._unsure = True
            stated = {k: v for k, v in stated.items() if self._means_block(k, own)}
        for key, item in stated.items():
            if key not in names:
                near = closest(key, (*names, *STAGE_KEYS))
                tail = f'; did you mean "{near}"?' if near else ""
                hint = None if near else "it takes: " + listed(sorted(names))
                message = f'nothing in this stage takes "{key}"{tail}'
                self.problems.error("RG022", message, item.place(key=True), hint)
        if unsure:
            return {}
        if "stride" in own and "body" not in own and "stride" not in names:
            message = 'nothing in this stage takes "stride"'
            self.problems.error("RG022", message, own["stride"].place(key=True))
        return {
            key: Taker(d.name, self._bound(d, at, stated)) for key, d in made.items()
        }

    def _means_block(self, key: str, own: Mapping[str, Json]) -> bool:
        """Whether a key is the stage's "block", misspelt."""
        return "block" not in own and closest(key, STAGE_KEYS) == "block"

    def _bound(
        self, made: Definition, stage: Json, stated: Mapping[str, Json]
    ) -> dict[str, Argument | PerBlock]:
        bound: dict[str, Argument | PerBlock] = {}
        self.problems.spend(len(made.params), stage.place)
        for name, param in made.params.items():
            at = stated.get(name) or self._arguments.get(name)
            if at is None:
                needs = param.required and name not in ("stride", WRAPPED)
                if needs and self.binder.lacks(
                    stated, name, {*STAGE_KEYS, *made.params}
                ):
                    message = f'block "{made.name}" needs "{name}", {param}'
                    self.problems.error("RG023", message, stage.place())
                continue
            value: Argument | PerBlock | None
            if isinstance(at.value, list) and param.kind not in ("list", "body"):
                items = [self.binder.argument(item, param) for item in at.value]
                if None in items:
                    continue  # refused, so their number says nothing
                value = PerBlock(tuple(i for i in items if i is not None), at)
            else:
                value = self.binder.argument(at, param)
            if value is not None:
                bound[name] = value
        return bound

    def all_taken(self) -> None:
        """Report defaults that nothing takes; the stages have been read."""
        if self._unsure:
            return
        for key, item in self._arguments.items():
            if key not in self._wanted:
                known = (*self._wanted, *STAGE_KEYS, *self.operators)
                near = did_you_mean(key, known)
                message = f'no block of this network takes "{key}"{near}'
                self.problems.error("RG022", message, item.place(key=True))
