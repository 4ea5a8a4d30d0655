"""Bodies: lists of elements, read from JSON.

An element is a string (an operator, a block, ``"$p"``) or an object with one of the
forms of the language. Names of blocks are looked up in the library, which reads their
definitions when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from resgen.errors import did_you_mean, listed
from resgen.spec.bind import Binder, is_identifier
from resgen.spec.keys import COMMON, FORMS, KEEPING, SHORTCUT_KEYS, TRAIN_ONLY
from resgen.spec.model import (
    MERGES,
    PRECISIONS,
    TAPS,
    Argument,
    Body,
    Definition,
    Element,
    For,
    Form,
    Item,
    Keep,
    Merge,
    NotGiven,
    OpCall,
    Outputs,
    Refused,
    Residual,
    Scalar,
    Seq,
    ShortcutValue,
    Template,
    Text,
    Use,
)
from resgen.spec.params import OperatorEntry, Param, Vocabulary
from resgen.spec.places import describe
from resgen.spec.source import Json

#: The preset whose shape follows that of the branch.
FITTING: Final = "projection"
_BOOLEAN = Param("boolean")
_NUMBER = Param("number")
_SHORTCUT = Param("shortcut")
_COUNT = Param("integer", minimum=0)
_INDEX = Param("integer")


class Definitions(Protocol):
    """Blocks and shortcuts by their names: the library, whose bodies are read here."""

    def block(self, name: str) -> Definition | None: ...

    def shortcut(self, name: str) -> Definition | None: ...

    def block_names(self) -> list[str]: ...

    def shortcut_names(self) -> list[str]: ...

    def says(self, operator: str) -> bool: ...

    def arguments(
        self, made: Definition, arguments: Mapping[str, Json], at: Json
    ) -> dict[str, Argument]: ...


class BodyReader:
    """Reads bodies, elements and shortcuts."""

    def __init__(
        self, binder: Binder, operators: Vocabulary, library: Definitions
    ) -> None:
        self.binder = binder
        self.problems = binder.problems
        self.operators = operators
        self.library = library
        binder.bodies = self

    # --- bodies -----------------------------------------------------------------------

    def body(self, at: Json) -> Body:
        """A list of elements, or one element by itself."""
        self.problems.spend(2, at.place)
        items = at.value if isinstance(at.value, list) else [at]
        return Body(tuple(self.element(item) for item in items), at)

    def refused(self, at: Json) -> Body:
        """What stands for a body that a problem was found in."""
        return Body((Element(Refused(), at),), at)

    def optional(self, members: Mapping[str, Json], key: str) -> Body | None:
        """The body under ``key``, if it is there and not null."""
        at = members.get(key)
        return None if at is None or at.value is None else self.body(at)

    def element(self, at: Json) -> Element:
        """A string or an object; anything else is a problem.

        One that a problem is found in is not run, for what follows would be judged by
        a guess; what is kept under its name is known to be there.
        """
        self.problems.spend(8, at.place)
        before = self.problems.told
        made = self._element(at)
        if made is not None and self.problems.told == before:
            return made
        return Element(Refused(), at, name=None if made is None else made.name)

    def _element(self, at: Json) -> Element | None:
        if isinstance(at.value, str):
            form = self._bare(at.value, at)
            return None if form is None else Element(form, at)
        if isinstance(at.value, dict):
            return self._object(at, at.value)
        if isinstance(at.value, list):
            return Element(Seq(self.body(at)), at)
        message = "expected an operator, a block or an element, not "
        hint = "[] is nothing at all" if at.value is None else None
        self.problems.error("RG012", message + describe(at.value), at.place(), hint)
        return None

    def _bare(self, name: str, at: Json) -> Form | None:
        if name.startswith("$"):
            return Use(self.binder.reference(at).text, True, {})
        if name in self.operators:
            self._missing(name, self.operators[name], {}, at)
            return OpCall(name, {})
        if self.library.block(name) is not None:
            return Use(name, False, {})
        return self._unknown(name, at)

    def _unknown(self, name: str, at: Json) -> Form | None:
        choices = [*self.operators, *self.library.block_names()]
        near = did_you_mean(name, choices)
        hint = None if near else "see `resgen list blocks` and `resgen list operators`"
        for operator, entry in () if near else self.operators.items():
            key = entry.shorthand or ""
            if key in entry.signature and name in entry.signature[key].choices:
                hint = f'write {{"op": "{operator}", "{key}": "{name}"}}'
        message = f'"{name}" is not an operator or a block{near}'
        if name in self.library.shortcut_names():
            message = f'"{name}" is a shortcut, not an operator or a block'
            hint = f'a shortcut takes it by its name: "project": "{name}"'
        self.problems.error("RG020", message, at.place(), hint)
        return None

    def _object(self, at: Json, value: Mapping[str, Json]) -> Element | None:
        forms = [key for key in FORMS if key in value]
        if len(forms) > 1:
            message = f'an element has one form, not both "{forms[0]}" and "{forms[1]}"'
            self.problems.error("RG010", message, value[forms[1]].place(key=True))
        if not forms and not any(key in value for key in KEEPING):
            message = "an element needs one of " + ", ".join(FORMS)
            self.problems.error("RG011", message, at.place())
            return None
        readers: dict[str, Callable[[Json, Mapping[str, Json]], Form | None]] = {
            "op": self._op,
            "use": self._use,
            "seq": self._seq,
            "residual": self._residual,
            "item": self._item,
            "outputs": self._outputs,
            "for": self._for,
        }
        if forms:
            form = readers.get(forms[0], self._merge)(at, value)
        else:
            self.binder.members(at, KEEPING, "an element without a form")
            form = Keep()
        form = form or Refused()
        return Element(
            form,
            at,
            path=self._path(value, form),
            share=self._flag(value, "share"),
            when=self._scalar(value, "when", _BOOLEAN),
            name=self._template(value, "name"),
            start=self._template(value, "from"),
            precision=self._choice(value, "precision", PRECISIONS),
        )

    def _path(self, value: Mapping[str, Json], form: Form) -> Template | None:
        known = self.binder.known
        if known is not None and isinstance(form, For):
            # Each iteration has a path of its own, so `as` sees the variable.
            self.binder.known = known | {form.variable}
        path = self.binder.path(value["as"]) if "as" in value else None
        self.binder.known = known
        return path

    def _flag(self, value: Mapping[str, Json], key: str) -> bool:
        stated = value.get(key)
        if stated is None or isinstance(stated.value, bool):
            return stated is not None and stated.value is True
        self.problems.mistyped(stated, f'"{key}" is true or false')
        return False

    def _template(self, value: Mapping[str, Json], key: str) -> Template | None:
        return self.binder.template(value[key]) if key in value else None

    def _scalar(
        self, value: Mapping[str, Json], key: str, param: Param
    ) -> Scalar | None:
        at = value.get(key)
        if at is None or at.value is None:
            return None
        if param is _BOOLEAN and isinstance(at.value, str):
            # A condition may be any expression: a body is true when it is not empty.
            parsed = self.binder.expression(at.value, at)
            return None if parsed is None else Scalar(parsed, at)
        return self.binder.scalar(at, param)

    # --- forms ------------------------------------------------------------------------

    def _op(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        name = value["op"].value
        entry = self.operators.get(name) if isinstance(name, str) else None
        if entry is None:
            near = did_you_mean(str(name), self.operators)
            message = f"{describe(name)} is not an operator{near}"
            self.problems.error("RG020", message, value["op"].place())
            return None
        arguments = self.operator_arguments(
            at, entry, f'operator "{name}"', (*COMMON, "op")
        )
        self._missing(str(name), entry, value, value["op"])
        return OpCall(str(name), arguments)

    def operator_arguments(
        self, at: Json, entry: OperatorEntry, of: str, also: tuple[str, ...] = ()
    ) -> dict[str, Argument]:
        """The arguments of an operator that an object states, bound."""
        # `name` of an element keeps the value; no operator has such an attribute.
        members = self.binder.members(at, (*entry.signature, *also), of)
        bound = {
            key: self.binder.argument(item, entry.signature[key])
            for key, item in members.items()
            if key in entry.signature
        }
        return {key: item for key, item in bound.items() if item is not None}

    def _missing(
        self,
        name: str,
        entry: OperatorEntry,
        stated: Mapping[str, Json],
        at: Json,
    ) -> None:
        known = (*entry.signature, *COMMON, "op")
        for key, param in entry.signature.items():
            # `defaults` may say it for the whole network.
            if (
                param.required
                and not self.library.says(name)
                and self.binder.lacks(stated, key, known)
            ):
                message = f'operator "{name}" needs "{key}", {param}'
                self.problems.error("RG023", message, at.place())

    def _use(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        target, name = value["use"], value["use"].value
        definition = self.library.block(name) if isinstance(name, str) else None
        taken = definition.params if definition else ()
        known = ("use", "with", *COMMON)
        arguments = self._given(self.binder.members(at, known, "a use", taken))
        if not isinstance(name, str):
            self.problems.mistyped(target, '"use" takes the name of a block')
            return None
        if name.startswith("$"):
            parameter = self.binder.reference(target).text
            return Use(parameter, True, self.offers(arguments))
        if definition is None:
            if name in self.operators:
                message = f'"{name}" is an operator: write {{"op": "{name}", ...}}'
                self.problems.error("RG020", message, target.place())
                return None
            return self._unknown(name, target)
        bound = self.library.arguments(definition, arguments, target)
        return Use(name, False, bound)

    def _seq(self, at: Json, value: Mapping[str, Json]) -> Form:
        self.binder.members(at, ("seq", *COMMON), "a sequence")
        return Seq(self.body(value["seq"]))

    def _for(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        members = self.binder.members(at, ("for", "in", "body", *COMMON), "for")
        variable = self.binder.identifier(value["for"])
        for key in ("in", "body"):
            if key not in members:
                message = f'a loop needs "{key}"'
                self.problems.error("RG011", message, at.place())
                return None
        count = self.binder.scalar(members["in"], _COUNT)
        known = self.binder.known
        if known is not None and variable is not None:
            self.problems.spend(len(known) / 20, at.place)  # it is copied, twice
            self.binder.known = known | {variable}
        body = self.body(members["body"])
        self.binder.known = known
        if variable is None or count is None:
            return None
        return For(variable, count, body)

    def _merge(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        kind = next(key for key in FORMS if key in value)
        also = ("axis",) if kind == "concat" else ()
        members = self.binder.members(at, (kind, *also, *COMMON), f'"{kind}"')
        axis = self._scalar(members, "axis", _COUNT)
        branches = value[kind]
        if isinstance(branches.value, list):
            bodies = tuple(self.body(item) for item in branches.value)
        else:
            bodies = (self.body(branches),)
        if not bodies:
            message = f'"{kind}" needs at least one branch'
            self.problems.error("RG011", message, branches.place())
            return None
        return Merge(kind, bodies, axis)  # type: ignore[arg-type]

    def _item(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        self.binder.members(at, ("item", *COMMON), '"item"')
        index = self.binder.scalar(value["item"], _INDEX)
        return None if index is None else Item(index)

    def _outputs(self, at: Json, value: Mapping[str, Json]) -> Form | None:
        self.binder.members(at, ("outputs", *COMMON), '"outputs"')
        stated = value["outputs"]
        if not isinstance(stated.value, dict) or not stated.value:
            self.problems.mistyped(stated, "expected an object: a body for each name")
            return None
        bodies, train_only = {}, set()
        # JSON's objects have no order, and the canonical form sorts their keys.
        for name, body in sorted(stated.value.items()):
            if not is_identifier(name):
                message = f'"{name}" is no name for an output (letters, digits, _)'
                self.problems.error("RG013", message, body.place(key=True))
            elif name == "input":
                message = f'"{name}" names what the network takes, and no output'
                self.problems.error("RG013", message, body.place(key=True))
            if isinstance(body.value, dict) and TRAIN_ONLY in body.value:
                if self._flag(body.value, TRAIN_ONLY):
                    train_only.add(name)
                rest = {k: v for k, v in body.value.items() if k != TRAIN_ONLY}
                body = replace(body, value=rest)
            bodies[name] = self.body(body)
        if len(train_only) == len(bodies):
            message = f'every output is "{TRAIN_ONLY}", so inference has none'
            self.problems.error("RG013", message, stated.place())
        return Outputs(bodies, frozenset(train_only))

    def _residual(self, at: Json, value: Mapping[str, Json]) -> Form:
        keys = ("residual", "pre", "post", "drop_path", "shortcut", "with")
        members = self.binder.members(at, (*keys, *COMMON), "a residual element")
        arguments = self._given(members)
        shortcut = members.get("shortcut")
        chosen: ShortcutValue | Text
        if shortcut is None or shortcut.value is None:
            chosen = ShortcutValue(at, preset="identity")
            self.library.shortcut("identity")
        else:
            chosen = self.shortcut(shortcut) or ShortcutValue(shortcut)
        return Residual(
            self.body(value["residual"]),
            self.optional(members, "pre"),
            self.optional(members, "post"),
            self._scalar(members, "drop_path", _NUMBER),
            chosen,
            self.offers(arguments),
        )

    def _given(self, members: Mapping[str, Json]) -> Mapping[str, Json]:
        """What `with` says, if it is there and not null."""
        given = members.get("with")
        if given is None or given.value is None:
            return {}
        if isinstance(given.value, dict):
            return given.value
        self.problems.mistyped(given, '"with" is an object of arguments')
        return {}

    def offers(self, arguments: Mapping[str, Json]) -> dict[str, Argument]:
        """Arguments for whatever a parameter turns out to be: values of any type."""
        bound: dict[str, Argument] = {}
        for key, item in arguments.items():
            value: Argument | None
            if item.value is None:
                value = NotGiven(item)
            elif isinstance(item.value, str):
                parsed = self.binder.expression(item.value, item)
                value = None if parsed is None else Scalar(parsed, item)
            elif isinstance(item.value, bool):
                value = self.binder.scalar(item, _BOOLEAN)
            else:
                value = self.binder.scalar(item, _NUMBER)
            if value is not None:
                bound[key] = value
        return bound

    # --- shortcuts --------------------------------------------------------------------

    def shortcut(self, at: Json) -> ShortcutValue | Text | None:
        """A preset's name, an object of fields, or ``"$p"``; None was reported."""
        if isinstance(at.value, str):
            if at.value.startswith("$"):
                return self.binder.reference(at)
            name = self._preset(at.value, at)
            return ShortcutValue(at, preset=name)
        if not isinstance(at.value, dict):
            self.problems.mistyped(at, f"expected {_SHORTCUT}")
            return None
        before = self.problems.told
        members = self.shortcut_members(at, SHORTCUT_KEYS, "a shortcut")
        if self.problems.told != before:
            return self.refused_shortcut(at)
        return self.shortcut_fields(at, members)

    def refused_shortcut(self, at: Json) -> ShortcutValue:
        """What stands for a shortcut that a problem was found in."""
        return ShortcutValue(at, project=self.refused(at))

    def shortcut_members(
        self, at: Json, known: Iterable[str], of: str
    ) -> Mapping[str, Json]:
        """The members of a shortcut; one that is a body is reported once."""
        written = at.value if isinstance(at.value, dict) else {}
        strange = (key for key in written if key in (*FORMS, "body"))
        form = next((key for key in strange if key not in known), None)
        if form is None:
            return self.binder.members(at, known, of)
        message = f'"{form}" is not a key of {of}'
        hint = 'what a shortcut computes stands in its "project": {"project": [...]}'
        self.problems.error("RG010", message, written[form].place(key=True), hint)
        return {}

    def _preset(self, name: str, at: Json) -> str:
        if self.library.shortcut(name) is not None:
            return name
        choices = self.library.shortcut_names()
        near = did_you_mean(name, choices)
        hint = None if near else "there are: " + listed(choices)
        message = f'"{name}" is not a shortcut{near}'
        if name in self.operators or name in self.library.block_names():
            message = f'"{name}" is an operator or a block, not a shortcut'
            hint = f'a shortcut computes it as "project": ["{name}"]'
        told = self.problems.told
        self.problems.error("RG021", message, at.place(), hint)
        # Whatever was meant, the sum has the shape of its branch: with a shortcut that
        # fits any, what follows is judged in the same run, and by no guess.
        self.problems.told = told
        self.library.shortcut(FITTING)
        return FITTING

    def shortcut_fields(self, at: Json, members: Mapping[str, Json]) -> ShortcutValue:
        """The fields of a shortcut that an object states."""
        project: Body | Text | None = None
        stated = members.get("project")
        if stated is not None and stated.value is not None:
            if isinstance(stated.value, str) and not stated.value.startswith("$"):
                project = Text(self._preset(stated.value, stated), False, stated)
            else:
                project = self.body(stated)
        when: Scalar | Text | None = None
        condition = members.get("when")
        if condition is not None and condition.value in ("shape", "always"):
            when = Text(str(condition.value), False, condition)
        else:
            when = self._scalar(members, "when", _BOOLEAN)
        scale: Scalar | Body | None = None
        factor = members.get("scale")
        if factor is not None and factor.value is not None:
            if isinstance(factor.value, (dict, list)):
                scale = self.body(factor)
            else:
                scale = self.binder.scalar(factor, _NUMBER)
        return ShortcutValue(
            at,
            project=project,
            when=when,
            merge=self._choice(members, "merge", MERGES),
            tap=self._choice(members, "tap", TAPS),
            scale=scale,
        )

    def _choice(
        self, members: Mapping[str, Json], key: str, choices: tuple[str, ...]
    ) -> Text | None:
        at = members.get(key)
        if at is None or at.value is None:
            return None
        return self.binder.text(at, Param("enum", choices=choices))
