"""A resolved tree of JSON, read as a spec.

Everything that can be told without running the network is checked here: keys, types,
names, and that every argument of a stage is taken by something. Problems are collected;
what a problem spoils is left out or read as it was most likely meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from resgen.errors import closest, did_you_mean
from resgen.spec import library as libraries
from resgen.spec.bind import describe
from resgen.spec.body import FORMS
from resgen.spec.definition import local_values
from resgen.spec.library import Library
from resgen.spec.model import (
    Argument,
    Body,
    Definition,
    Names,
    NotGiven,
    PerBlock,
    Preprocess,
    Spec,
    Stage,
    Taker,
    Template,
)
from resgen.spec.params import Param, Vocabulary
from resgen.spec.source import Json, Problems, from_plain

#: The version of the language that this package reads.
LANGUAGE: Final = 1

KEYS: Final = (
    "resgen",
    "name",
    "input",
    "stem",
    "stages",
    "head",
    "let",
    "defaults",
    "names",
    "blocks",
    "shortcuts",
    "preprocess",
    "labels",
    "doc",
    "$schema",
)
REQUIRED_KEYS: Final = ("resgen", "name", "input", "stem", "stages", "head")
STAGE_KEYS: Final = (
    "block",
    "depth",
    "entry",
    "exit",
    "stride",
    "name",
    "norm",
    "act",
    "dilate",
    "body",
    "doc",
)
#: Stage keys that stand for operators, with arguments for the stage.
STAGE_OPERATORS: Final = ("norm", "act")
NAMES: Final[Mapping[str, str]] = {
    "trunk": "",
    "stage": "layer{stage + 1}",
    "block": "{index}",
    "entry": "entry",
    "exit": "exit",
}
#: Largest size of an input axis, in elements.
MAX_INPUT: Final = 1 << 16

_DEPTH = Param("integer", minimum=0)
_STRIDE = Param("axes", minimum=1)
_BOOLEAN = Param("boolean")


def decode(
    at: Json, operators: Vocabulary, problems: Problems, folder: Path | None = None
) -> Spec | None:
    """Read a resolved tree; None where too little of it is there to go on.

    ``folder`` is where a file of ``labels`` is looked up.
    """
    if not isinstance(at.value, dict):
        message = f"a spec is an object, not {describe(at.value)}"
        problems.error("RG012", message, at.place())
        return None
    return _Decoder(at, operators, problems, folder).spec()


@dataclass(slots=True)
class _Parts:
    """What ``defaults`` says, sorted by who it speaks to."""

    stage: dict[str, Json]  # stage keys
    operators: dict[str, Mapping[str, Argument]]
    arguments: dict[str, Json]  # of blocks and entries


class _Decoder:
    def __init__(
        self,
        at: Json,
        operators: Vocabulary,
        problems: Problems,
        folder: Path | None,
    ) -> None:
        self.at = at
        self.problems = problems
        self.operators = operators
        self.folder = folder
        probe = Library(operators, problems, {}, None)
        self.members = probe.reader.binder.members(at, KEYS, "a spec")
        own = {
            "block": self._definitions("blocks"),
            "shortcut": self._definitions("shortcuts"),
        }
        self._wanted: set[str] = set()  # parameters that some stage can take
        self._unsure = False  # whether a block is unknown, and so its parameters
        self.library = Library(operators, problems, own, libraries.builtin(operators))
        self.reader = self.library.reader
        self.binder = self.reader.binder

    def _definitions(self, key: str) -> Mapping[str, Json]:
        at = self.members.get(key)
        if at is None or at.value is None:
            return {}
        if not isinstance(at.value, dict):
            message = f'"{key}" is an object of definitions, not {describe(at.value)}'
            self.problems.error("RG012", message, at.place())
            return {}
        found = dict(at.value)
        for name in [n for n in found if key == "blocks" and n in self.operators]:
            message = f'"{name}" is an operator; choose another name for the block'
            self.problems.error("RG013", message, found.pop(name).place(key=True))
        return found

    # --- the whole --------------------------------------------------------------------

    def spec(self) -> Spec | None:
        self._version()
        for key in REQUIRED_KEYS[1:]:
            if key not in self.members:
                self.problems.error("RG011", f'a spec needs "{key}"', self.at.place())
        defaults = self._defaults()
        self.library.state(frozenset(defaults.operators))
        # Every definition of the user's is read, also one that nothing uses.
        for kind, key in (("block", "blocks"), ("shortcut", "shortcuts")):
            for name in self._definitions(key):
                getattr(self.library, kind)(name)
        let = local_values(self._object("let"), self.reader)
        stages = self._stages(defaults)
        stem, head = self._stem(), self._head()
        shape = self._input()
        if shape is None or stages is None or stem is None or head is None:
            return None
        names = self._names()
        self._all_taken(defaults)
        return Spec(
            name=self._string("name") or "network",
            doc=self._string("doc") or "",
            at=self.at,
            input=shape,
            stem=stem,
            stages=tuple(stages),
            head=head,
            let=let,
            names=names,
            operators=defaults.operators,
            preprocess=self._preprocess(shape),
            labels=self._labels(),
            members=self.members,
            used=self.library.used(),
        )

    def _version(self) -> None:
        at = self.members.get("resgen")
        if at is None:
            message = f'a spec begins with "resgen": {LANGUAGE}, the language version'
            self.problems.error("RG011", message, self.at.place())
        elif at.value != LANGUAGE or isinstance(at.value, bool):
            message = f"language version {describe(at.value)} is not known"
            hint = f"this resgen reads version {LANGUAGE}"
            self.problems.error("RG014", message, at.place(), hint)

    def _string(self, key: str) -> str | None:
        at = self.members.get(key)
        if at is None or at.value is None:
            return None
        if isinstance(at.value, str) and (at.value or key == "doc"):
            return at.value
        message = f'"{key}" is a string, not {describe(at.value)}'
        self.problems.error("RG012", message, at.place())
        return None

    def _input(self) -> tuple[int, ...] | None:
        at = self.members.get("input")
        if at is None:
            return None
        sizes = at.value if isinstance(at.value, list) else []
        if not 2 <= len(sizes) <= 4:
            message = '"input" is a list: channels, then 1 to 3 spatial sizes'
            self.problems.error("RG012", message, at.place(), "[3, 224, 224], say")
            return None
        param = Param("integer", minimum=1, maximum=MAX_INPUT)
        bound = [self.binder.scalar(item, param) for item in sizes]
        if any(item is None or item.expr.names for item in bound):
            return None
        return tuple(int(b.expr.evaluate({})) for b in bound if b is not None)

    def _object(self, key: str) -> Mapping[str, Json]:
        at = self.members.get(key)
        if at is None or at.value is None:
            return {}
        if isinstance(at.value, dict):
            return at.value
        message = f'"{key}" is an object, not {describe(at.value)}'
        self.problems.error("RG012", message, at.place())
        return {}

    def _names(self) -> Names:
        stated = self._object("names")
        if stated:
            stated = self.binder.members(self.members["names"], NAMES, '"names"')
        made: dict[str, Template] = {}
        for key, default in NAMES.items():
            at = stated.get(key) or from_plain(default, "names")
            made[key] = self.binder.template(at) or Template((default,), at)
        return Names(**made)

    # --- stem and head ----------------------------------------------------------------

    def _stem(self) -> Body | None:
        at = self.members.get("stem")
        return None if at is None else self.reader.body(at)

    def _head(self) -> Body | None:
        at = self.members.get("head")
        if at is None:
            return None
        if isinstance(at.value, dict) and not any(
            key in at.value for key in (*FORMS, "as", "when", "name", "from")
        ):
            # {"classes": N} is short for the classifier with these arguments.
            wrapped = from_plain({"use": "classifier"}, at.source.file)
            members = dict(wrapped.value) if isinstance(wrapped.value, dict) else {}
            made = type(at)({**members, "with": at}, at.source, at.start, at.end,
                            at.pointer, at.key)  # fmt: skip
            return self.reader.body(made)
        return self.reader.body(at)

    # --- defaults and stages ----------------------------------------------------------

    def _defaults(self) -> _Parts:
        parts = _Parts({}, {}, {})
        for key, item in self._object("defaults").items():
            if key in STAGE_KEYS and key not in STAGE_OPERATORS:
                parts.stage[key] = item
            elif key in STAGE_OPERATORS or (
                key in self.operators and self._speaks_of(key, item)
            ):
                parts.operators[key] = self._operator(key, item)
            else:
                parts.arguments[key] = item
        return parts

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
            message = f'"{name}" takes an object of arguments, not {describe(at.value)}'
            self.problems.error("RG012", message, at.place())
            return {}
        bound = self.binder.argument(at, entry.signature[entry.shorthand])
        return {} if bound is None else {entry.shorthand: bound}

    def _stages(self, defaults: _Parts) -> list[Stage] | None:
        at = self.members.get("stages")
        if at is None:
            return None
        if not isinstance(at.value, list):
            message = f'"stages" is a list of stages, not {describe(at.value)}'
            self.problems.error("RG012", message, at.place())
            return None
        stages = []
        for item in at.value:
            if isinstance(item.value, dict):
                stages.append(self._stage(item, item.value, defaults))
            else:
                message = f"a stage is an object, not {describe(item.value)}"
                self.problems.error("RG012", message, item.place())
        return stages

    def _stage(self, at: Json, own: Mapping[str, Json], defaults: _Parts) -> Stage:
        said = self._said(at, own, defaults.stage)
        parts = {
            "block": self._block(said.get("block")),
            "entry": self._end(said.get("entry")),
            "exit": self._end(said.get("exit")),
        }
        takers = self._takers(at, own, parts, defaults)
        body = self.reader.body(said["body"]) if "body" in said else None
        depth, dilate, stride = (said.get(k) for k in ("depth", "dilate", "stride"))
        entry, exit_ = (
            takers.get(key) or (part if isinstance(part, Body) else None)
            for key, part in parts.items()
            if key != "block"
        )
        return Stage(
            at=at,
            block=takers.get("block"),
            depth=None if depth is None else self.binder.scalar(depth, _DEPTH),
            body=body,
            stride=None if stride is None else self.binder.argument(stride, _STRIDE),
            dilate=None if dilate is None else self.binder.scalar(dilate, _BOOLEAN),
            name=self.binder.template(said["name"]) if "name" in said else None,
            entry=entry,
            exit=exit_,
            operators={
                key: self._operator(key, own[key])
                for key in STAGE_OPERATORS
                if key in own and own[key].value is not None
            },
        )

    def _said(
        self, at: Json, own: Mapping[str, Json], defaults: Mapping[str, Json]
    ) -> Mapping[str, Json]:
        """The stage's keys, its own before those of the defaults."""
        if "body" in own:
            # A body stands for block and depth, so their defaults do not apply.
            for key in ("block", "depth"):
                if key in own:
                    message = f'a stage has a "body" or a "{key}", not both'
                    self.problems.error("RG010", message, own[key].place(key=True))
            defaults = {k: v for k, v in defaults.items() if k not in ("block", "depth")}
        said = {**defaults, **{k: v for k, v in own.items() if k in STAGE_KEYS}}
        said = {k: v for k, v in said.items() if v.value is not None}
        for key in ("block", "depth"):
            if key not in said and "body" not in said:
                message = f'a stage needs "{key}" (or "defaults" says it)'
                self.problems.error("RG011", message, at.place())
        return said

    def _block(self, at: Json | None) -> Definition | None:
        if at is None:
            return None
        if not isinstance(at.value, str):
            message = f'"block" is the name of a block, not {describe(at.value)}'
            self.problems.error("RG012", message, at.place())
            return None
        made = self.library.block(at.value)
        if made is None:
            choices = self.library.block_names()
            message = f'"{at.value}" is not a block{did_you_mean(at.value, choices)}'
            self.problems.error("RG020", message, at.place())
            near = closest(at.value, choices)
            made = None if near is None else self.library.block(near)
        return made

    def _end(self, at: Json | None) -> Definition | Body | None:
        """An entry or exit: a bare block takes the stage's keys, a body stands alone."""
        if at is None:
            return None
        if isinstance(at.value, str) and at.value not in self.operators:
            made = self.library.block(at.value)
            if made is not None:
                return made
        return self.reader.body(at)

    # --- every argument is taken by something -------------------------------------------

    def _takers(
        self,
        at: Json,
        own: Mapping[str, Json],
        parts: Mapping[str, Definition | Body | None],
        defaults: _Parts,
    ) -> dict[str, Taker]:
        made = {k: d for k, d in parts.items() if isinstance(d, Definition)}
        names = {name for d in made.values() for name in d.params}
        self._wanted |= names
        stated = {k: v for k, v in own.items() if k not in STAGE_KEYS}
        if "body" not in own and "block" not in made:
            # The block is not known, so neither are the names that it takes.
            self._unsure = True
            return {}
        for key, item in list(stated.items()):
            if key not in names:
                near = closest(key, (*names, *STAGE_KEYS))
                tail = f'; did you mean "{near}"?' if near else ""
                hint = None if near else "it takes: " + ", ".join(sorted(names))
                message = f'nothing in this stage takes "{key}"{tail}'
                self.problems.error("RG022", message, item.place(key=True), hint)
                if near in names and near not in stated:
                    stated[str(near)] = item
        if "stride" in own and "body" not in own and "stride" not in names:
            message = 'nothing in this stage takes "stride"'
            self.problems.error("RG022", message, own["stride"].place(key=True))
        return {
            key: Taker(d.name, self._arguments(d, at, stated, defaults.arguments))
            for key, d in made.items()
        }

    def _arguments(
        self,
        made: Definition,
        stage: Json,
        stated: Mapping[str, Json],
        defaults: Mapping[str, Json],
    ) -> dict[str, Argument | PerBlock]:
        bound: dict[str, Argument | PerBlock] = {}
        for name, param in made.params.items():
            at = stated.get(name) or defaults.get(name)
            if at is None:
                if param.required and name != "stride":
                    message = f'block "{made.name}" needs "{name}", {param}'
                    self.problems.error("RG023", message, stage.place())
                continue
            value: Argument | PerBlock | None
            if isinstance(at.value, list) and param.kind not in ("list", "body"):
                items = [self.binder.argument(item, param) for item in at.value]
                value = PerBlock(tuple(i for i in items if i is not None), at)
            else:
                value = self.binder.argument(at, param)
            if value is not None:
                bound[name] = value
        return bound

    def _all_taken(self, defaults: _Parts) -> None:
        """A default that nothing takes is a mistake."""
        if self._unsure:
            return
        known = (*self._wanted, *STAGE_KEYS, *self.operators)
        for key, item in defaults.arguments.items():
            if key not in self._wanted:
                near = did_you_mean(key, known)
                message = f'no block of this network takes "{key}"{near}'
                self.problems.error("RG022", message, item.place(key=True))

    # --- preprocess and labels -----------------------------------------------------------

    def _preprocess(self, shape: tuple[int, ...]) -> Preprocess:
        channels = shape[0]
        plain_default = Preprocess()
        if channels != 3:
            # ImageNet's statistics speak of three colours only.
            color: Any = "gray" if channels == 1 else "rgb"
            neutral = ((0.0,) * channels, (1.0,) * channels)
            plain_default = Preprocess(
                color=color, mean=neutral[0], std=neutral[1]
            )
        stated = self._object("preprocess")
        if not stated:
            return plain_default
        keys = [f.name for f in fields(Preprocess)]
        members = self.binder.members(self.members["preprocess"], keys, '"preprocess"')
        values = {key: getattr(plain_default, key) for key in keys}
        for key, item in members.items():
            found = self._preprocess_value(key, item, channels)
            if found is not NotGiven:
                values[key] = found
        return Preprocess(**values)

    def _preprocess_value(self, key: str, at: Json, channels: int) -> Any:
        params: dict[str, Param] = {
            "resize": Param("integer", minimum=1, maximum=MAX_INPUT),
            "crop": Param("integer", minimum=1, maximum=MAX_INPUT),
            "interpolation": Param("enum", choices=("bilinear", "bicubic", "nearest")),
            "antialias": _BOOLEAN,
            "color": Param("enum", choices=("rgb", "bgr", "gray")),
            "scale": Param("number"),
        }
        if at.value is None and key in ("resize", "crop"):
            return None
        if key in ("mean", "std"):
            items = at.value if isinstance(at.value, list) else []
            bound = [self.binder.scalar(item, Param("number")) for item in items]
            if len(bound) != channels or any(b is None for b in bound):
                message = f'"{key}" is a list of {channels} numbers, one a channel'
                self.problems.error("RG012", message, at.place())
                return NotGiven
            values = tuple(float(b.expr.evaluate({})) for b in bound if b is not None)
            if key == "std" and any(value == 0 for value in values):
                message = '"std" divides, so none of it may be 0'
                self.problems.error("RG013", message, at.place())
                return NotGiven
            return values
        if params[key].kind == "enum":
            text = self.binder.text(at, params[key])
            return NotGiven if text is None else text.text
        scalar = self.binder.scalar(at, params[key])
        if scalar is None:
            return NotGiven
        value = scalar.expr.evaluate({})
        return float(value) if key == "scale" else value

    def _labels(self) -> tuple[str, ...] | None:
        at = self.members.get("labels")
        if at is None or at.value is None:
            return None
        if isinstance(at.value, list) and all(isinstance(i.value, str) for i in at.value):
            return tuple(str(item.value) for item in at.value)
        if isinstance(at.value, str):
            return self._label_file(at, at.value)
        message = '"labels" is a list of strings, or a file with one a line'
        self.problems.error("RG012", message, at.place())
        return None

    def _label_file(self, at: Json, name: str) -> tuple[str, ...] | None:
        folder = self.folder or Path.cwd()
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            message = f'"{name}" lies outside the folder of the spec'
            self.problems.error("RG043", message, at.place())
            return None
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            message = f'labels cannot be read from "{name}": {error}'
            self.problems.error("RG040", message, at.place())
            return None
        return tuple(line.strip() for line in lines if line.strip())
