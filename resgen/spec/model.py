"""The language as types: what a decoded spec, block or body consists of.

Every part keeps the piece of JSON that it was read from (``at``), so that a problem
found at any later time can be reported where a person can mend it. Nothing here is
evaluated: expressions are parsed, names are bound, and that is all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias, get_args

from resgen.spec.expr import Expr
from resgen.spec.params import Param, Signature
from resgen.spec.source import Json, plain
from resgen.words.numbers import count, shape
from resgen.words.terminal import TEXT, fitted, printable

# --- values ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number or a truth value: an expression."""

    expr: Expr
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string, or ``"$p"``: the value of the parameter ``p``."""

    text: str
    reference: bool
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list of values."""

    items: tuple[Argument, ...]
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """An object of values: an initialiser, or one for each role."""

    fields: Mapping[str, Argument]
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class NotGiven:
    """``null``: as if the argument had not been written."""

    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A string in which ``{expr}`` is replaced: text and expressions in turn."""

    parts: tuple[str | Expr, ...]
    at: Json


# --- bodies ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A sequence of elements; empty is the identity."""

    elements: tuple[Element, ...]
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """No operation: an element that only names, or starts from, a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """An element that a problem was found in: what it yields nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class OpCall:
    """An operator with the arguments that the element states."""

    op: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A block by name, or a body parameter (``parameter``), with arguments.

    What is given to a body parameter is an offer: the block that it turns out to be
    takes what it declares.
    """

    target: str
    parameter: bool
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True, eq=False)
class Seq:
    """A nested sequence."""

    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """A body repeated: in sequence, or as branches of a merge."""

    variable: str
    count: Scalar
    body: Body


MergeKind = Literal["add", "concat", "multiply", "maximum", "minimum", "stack", "list"]


@dataclass(frozen=True, slots=True, eq=False)
class Merge:
    """Branches over one input, brought together, or kept apart as a list."""

    kind: MergeKind
    branches: tuple[Body, ...]
    axis: Scalar | None = None  # of a concatenation


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One value of a list."""

    index: Scalar


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What the network gives out: a body over one input for each name.

    Those named in ``train_only`` it gives out in training alone.
    """

    bodies: Mapping[str, Body]
    train_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """``post(merge(drop_path(scale * residual(pre(x))), shortcut))``."""

    branch: Body
    pre: Body | None
    post: Body | None
    drop_path: Scalar | None
    shortcut: ShortcutValue | Text
    arguments: Mapping[str, Argument]  # offered to the shortcut


Form = Keep | Refused | OpCall | Use | Seq | For | Merge | Item | Outputs | Residual


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """One step of a body, with what any step may carry."""

    form: Form
    at: Json
    path: Template | None = None  # `as`
    share: bool = False
    when: Scalar | None = None
    name: Template | None = None
    start: Template | None = None  # `from`
    precision: Text | None = None


#: Precisions that a part of a network may ask for, from the widest to the narrowest.
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8")
#: What ``precision`` takes.
PRECISION = Param("enum", choices=PRECISIONS)

# --- shortcuts ------------------------------------------------------------------------

MERGES = ("add", "concat", "none", "if-same")
TAPS = ("input", "pre")


@dataclass(frozen=True, slots=True, eq=False)
class ShortcutValue:
    """A preset's name, or the fields that an object states.

    ``project`` is a body, or the name of the preset whose projection is taken;
    ``when`` is ``"shape"``, ``"always"`` or an expression; ``scale`` a number or a body
    that the branch's result goes through.
    """

    at: Json
    preset: str | None = None
    project: Body | Text | None = None
    when: Scalar | Text | None = None
    merge: Text | None = None
    tap: Text | None = None
    scale: Scalar | Body | None = None


Argument = Scalar | Text | Template | Items | Fields | NotGiven | Body | ShortcutValue


# --- definitions ----------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Definition:
    """A block or a shortcut: parameters, local values and what it does.

    A block has a ``body``, a shortcut has ``shortcut`` fields. ``builtin`` says that it
    is resgen's own, so problems inside it are reported where it was used. ``uses`` are
    the names of the blocks and shortcuts that it mentions. It is filled in two steps,
    parameters first, since a block may use itself. ``unsure`` says that not all of its
    parameters are known, for some were refused or not declared.
    """

    name: str
    at: Json
    doc: str
    builtin: bool
    params: Signature = field(default_factory=dict)
    defaults: Mapping[str, Argument] = field(default_factory=dict)
    let: Mapping[str, Argument] = field(default_factory=dict)
    body: Body | None = None
    shortcut: ShortcutValue | None = None
    uses: frozenset[tuple[str, str]] = frozenset()
    unsure: bool = False


# --- the spec -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class PerBlock:
    """A list for a parameter that is not a list: one value for each block."""

    values: tuple[Argument, ...]
    at: Json


@dataclass(frozen=True, slots=True, eq=False)
class Taker:
    """A block that a stage's keys go to, with those that it takes, bound."""

    block: str
    arguments: Mapping[str, Argument | PerBlock]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A stage with its defaults filled in.

    A stage has a ``block``, repeated ``depth`` times, or a ``body``. ``entry`` and
    ``exit`` are bodies, or takers where they are the bare name of a block. ``wrap`` is
    what the blocks stand in. ``stride``
    is None where nothing states it, and so is ``precision``.
    """

    at: Json
    block: Taker | None
    depth: Scalar | None
    body: Body | None
    stride: Argument | None
    dilate: Scalar | None
    name: Template | None
    entry: Body | Taker | None
    exit: Body | Taker | None
    wrap: Taker | None
    operators: Mapping[str, Mapping[str, Argument]]  # norm and act of this stage
    precision: Argument | PerBlock | None


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Path components, each relative to what it stands in."""

    trunk: Template
    stage: Template
    block: Template
    entry: Template
    exit: Template


@dataclass(frozen=True, slots=True, eq=False)
class Widths:
    """Channels of single operators by their paths, each with where it is said."""

    values: Mapping[str, tuple[int, Json]]
    at: Json


#: How pictures are resized, by the names of Pillow's filters.
Interpolation: TypeAlias = Literal["bilinear", "bicubic", "lanczos", "nearest"]
INTERPOLATIONS: Final[tuple[Interpolation, ...]] = get_args(Interpolation)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a decoded picture becomes the input.

    ``resize`` is the length of the shorter side in pixels (None: straight to the
    input's size), ``crop`` the side of the central square (None: the input's size).
    Values are multiplied by ``scale``, then ``mean`` is subtracted and the result is
    divided by ``std``, by channel.
    """

    resize: int | None = 256
    crop: int | None = None
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


#: Members that a reader of a spec wants to see, beside its stages.
_SHOWN: Final = ("stem", "defaults", "precision")


@dataclass(frozen=True, eq=False)
class Spec:
    """One network, resolved: nothing of it refers to another file any more.

    ``precision`` is that of all of it, where its parts do not say theirs. ``members``
    is the resolved tree; ``used`` are the definitions that the network mentions, by
    kind and name.
    """

    name: str
    doc: str
    at: Json
    input: tuple[int, ...]
    stem: Body
    stages: tuple[Stage, ...]
    head: Body
    let: Mapping[str, Argument]
    names: Names
    widths: Widths
    operators: Mapping[str, Mapping[str, Argument]]
    precision: Argument | None
    preprocess: Preprocess
    labels: tuple[str, ...] | None
    members: Mapping[str, Json] = field(repr=False)
    used: Mapping[tuple[str, str], Definition] = field(repr=False)

    def __str__(self) -> str:
        """A line for each of its parts; ``resgen.inspect`` tells what they come to."""
        rows = [(f"/{key}", at) for key, at in self.members.items() if key in _SHOWN]
        rows += [(stage.at.pointer, stage.at) for stage in self.stages]
        rows.append(("/head", self.members["head"]))
        lines = (
            fitted(f"{pointer:<12} {json.dumps(plain(at), ensure_ascii=False)}", TEXT)
            for pointer, at in rows
        )
        title = f"{printable(self.name)}    input {shape(self.input)}"
        return "\n".join((title, *map(printable, lines)))

    def __repr__(self) -> str:
        stages = count(len(self.stages), "stage")
        return f"<Spec of {printable(self.name)}: {stages}>"

    @cached_property
    def definitions(self) -> Mapping[str, Definition]:
        """Blocks in use, by name."""
        return {name: d for (kind, name), d in self.used.items() if kind == "block"}

    @cached_property
    def shortcuts(self) -> Mapping[str, Definition]:
        """Shortcut presets in use, by name."""
        return {name: d for (kind, name), d in self.used.items() if kind == "shortcut"}
