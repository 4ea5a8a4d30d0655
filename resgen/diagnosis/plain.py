"""A spec without its shortcuts: the plain network that a residual one is held against.

He et al. 2015 (Deep Residual Learning, section 4) compare networks that differ in the
shortcuts alone. Whatever a residual element is written in (a built-in block, one of the
user's, a body given as an argument), it becomes ``post(residual(pre(x)))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.spec.expr import constant
from resgen.spec.model import (
    Argument,
    Body,
    Definition,
    Element,
    Fields,
    For,
    Merge,
    OpCall,
    Outputs,
    PerBlock,
    Residual,
    Scalar,
    Seq,
    ShortcutValue,
    Spec,
    Stage,
    Taker,
    Text,
    Use,
)
from resgen.spec.source import Json

#: What the name of a plain network ends with.
SUFFIX: Final = "-plain"
#: The parameter of blocks that starts them as their shortcut: Goyal et al. 2017.
ZERO_INIT: Final = "zero_init"
#: Operators that, at the end of a branch, weigh it against the shortcut.
SCALES: Final = frozenset(("scale", "scalar_scale", "channel_scale"))

#: Types that a residual element may stand in.
_HOLDERS: Final = (
    Body, Definition, Element, For, Merge, Outputs, PerBlock, Residual, Seq,
    ShortcutValue, Stage,
)  # fmt: skip


def without_shortcuts(spec: Spec) -> Spec:
    """The same network with the shortcut of every residual element taken out.

    The branch stays as it is, but for what only makes sense beside a shortcut, since a
    branch that starts at zero would leave a plain network without any signal:

    - projections, the shortcut's ``scale`` (SkipInit, ReZero) and ``drop_path`` go;
    - so do scales that end the branch (ConvNeXt's LayerScale), also by way of a block
      that is nothing else;
    - arguments and defaults of the name ``zero_init`` become false, and a ``weight``
      that an operator of the branch starts at a literal 0 starts as it would by itself.

    Blocks keep their parameters, so everything that the spec says remains valid; and
    pieces of the text keep their places, so problems are shown where they are written.
    A sum that is written with ``add`` or ``concat`` is not a shortcut and stays. The
    result has a canonical form of its own and the name ``NAME-plain``.

    Raises :class:`ResgenError` for a spec without a residual element. What the network
    needs of a shortcut (a value kept in a projection, say) is found when it is
    expanded.
    """
    change = _Change(spec)
    kept = {
        name: change.model(getattr(spec, name))
        for name in ("stem", "stages", "head", "let")
    }
    used = {key: change.model(made) for key, made in spec.used.items()}
    if not change.removed:
        raise ResgenError(
            f'"{spec.name}" has no shortcut to remove: it has no residual element',
            hint='sums written with "add" or "concat" are part of the network itself',
        )
    members = {key: change.json(at) for key, at in spec.members.items()}
    members["name"] = replace(members["name"], value=spec.name + SUFFIX)
    return replace(
        spec,
        **kept,
        name=spec.name + SUFFIX,
        at=replace(spec.at, value=members),
        members=members,
        used={k: replace(made, at=change.json(made.at)) for k, made in used.items()},
    )


class _Change:
    """Changes the types of the language, and notes what that does to their text."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.removed = 0
        #: For objects of the text, by identity: members that change (None: they go).
        self.members: dict[int, Mapping[str, Json | None]] = {}
        #: Values of the text that others stand for, by identity.
        self.values: dict[int, Json] = {}
        self._branch = 0  # how many branches we stand in

    # --- the language -----------------------------------------------------------------

    def model(self, value: Any) -> Any:
        """A value of :mod:`resgen.spec.model`, and all within it."""
        if isinstance(value, tuple):
            return tuple(self.model(item) for item in value)
        if isinstance(value, Mapping):
            return {key: self.model(item) for key, item in value.items()}
        if isinstance(value, Element) and isinstance(value.form, Residual):
            return replace(value, form=self._plain(value.form, value.at))
        if isinstance(value, OpCall):
            return self._started(value) if self._branch else value
        if isinstance(value, Use):
            return replace(value, arguments=self._arguments(value.arguments))
        if isinstance(value, Taker):
            return replace(value, arguments=self._arguments(value.arguments))
        if not isinstance(value, _HOLDERS):
            return value
        made: Any = replace(
            value,
            **{f.name: self.model(getattr(value, f.name)) for f in fields(value)},
        )
        if isinstance(made, Definition):
            made.defaults = self._arguments(made.defaults)
        return made

    def _plain(self, form: Residual, at: Json) -> Residual:
        self.removed += 1
        kept = list(form.branch.elements)
        while kept and self._scales(kept[-1]):
            kept.pop()
        branch = form.branch
        if len(kept) < len(branch.elements):
            text = replace(branch.at, value=[element.at for element in kept])
            branch = Body(tuple(kept), text)
        none = replace(at, value="none")
        shortcut = replace(at, value={"merge": none})
        self.members[id(at)] = {
            "residual": branch.at,
            "shortcut": shortcut,
            "drop_path": None,
            "with": None,
        }
        self._branch += 1
        branch = self.model(branch)
        self._branch -= 1
        return Residual(
            branch=branch,
            pre=self.model(form.pre),
            post=self.model(form.post),
            drop_path=None,
            shortcut=ShortcutValue(shortcut, merge=Text("none", False, none)),
            arguments={},
        )

    def _scales(self, element: Element) -> bool:
        """Whether an element does nothing but scale, and nothing else reads it."""
        form = element.form
        if element.name is not None:
            return False
        if isinstance(form, OpCall):
            return form.op in SCALES
        inner: Body | None = None
        if isinstance(form, Seq):
            inner = form.body
        elif isinstance(form, Use) and not form.parameter:
            inner = self.spec.definitions[form.target].body
        if inner is None or len(inner.elements) != 1:
            return False
        return self._scales(inner.elements[0])

    def _started(self, call: OpCall) -> OpCall:
        """An operator whose weight does not start at a literal zero."""
        init = call.arguments.get("init")
        if not isinstance(init, Fields):
            return call
        weight = init.fields.get("weight")
        if not isinstance(weight, Scalar) or weight.expr.names:
            return call
        if weight.expr.evaluate({}) != 0:
            return call
        self.members[id(init.at)] = {"weight": None}
        rest = {role: item for role, item in init.fields.items() if role != "weight"}
        arguments = {**call.arguments, "init": Fields(rest, init.at)}
        return OpCall(call.op, arguments)

    def _arguments(self, arguments: Mapping[str, Argument | PerBlock]) -> Any:
        made = self.model(arguments)
        stated = made.get(ZERO_INIT)
        if stated is not None:
            self.values[id(stated.at)] = replace(stated.at, value=False)
            made[ZERO_INIT] = Scalar(constant(False), stated.at)
        return made

    # --- its text ---------------------------------------------------------------------

    def json(self, at: Json) -> Json:
        """The text with what was changed in it."""
        at = self.values.get(id(at), at)
        if isinstance(at.value, list):
            return replace(at, value=[self.json(item) for item in at.value])
        if not isinstance(at.value, dict):
            return at
        members: dict[str, Json | None] = dict(at.value)
        members.update(self.members.get(id(at), {}))
        kept = {key: self.json(m) for key, m in members.items() if m is not None}
        return replace(at, value=kept)
