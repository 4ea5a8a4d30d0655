"""The language as a JSON Schema (2020-12), for editors.

It is made of the tables that the reader itself goes by, so an editor completes what
the reader takes. It never refuses a spec that the reader takes: a spec with blocks of
its own, or with a parent, may use names that no schema can know, so these are offered
there and closed elsewhere. `resgen check` has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, get_args

from resgen.spec import library
from resgen.spec.bind import INITIAL_FIELDS
from resgen.spec.body import COMMON, FORMS, SHORTCUT_KEYS
from resgen.spec.decode import KEYS, LANGUAGE, MAX_INPUT, NAMES, REQUIRED_KEYS
from resgen.spec.definition import HEADER, PARAM_KEYS
from resgen.spec.keys import KEY_DOCS
from resgen.spec.model import MERGES, TAPS, Definition, MergeKind
from resgen.spec.params import DECLARABLE, OperatorEntry, Param, Signature, Vocabulary
from resgen.spec.picture import PARAMS as PICTURE
from resgen.spec.stages import STAGE_KEYS, STAGE_OPERATORS

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NULL: Final[Schema] = {"type": "null"}
NUMBER: Final[Schema] = {"type": ["number", "string"]}
CONDITION: Final[Schema] = {"type": ["boolean", "string"]}
VALUE: Final[Schema] = {"type": ["number", "boolean", "string"]}
ANYTHING: Final[Schema] = {}
REFERENCE: Final[Schema] = {"type": "string", "pattern": r"^\$"}


def schema(operators: Vocabulary) -> Schema:
    """The schema of a spec, given the operators that its bodies may use."""
    return _Generator(operators).spec()


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _any(*choices: Schema) -> Schema:
    return {"anyOf": list(choices)}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"properties": dict(properties), "additionalProperties": False}


def _described(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    """Properties with what they mean."""
    return {
        key: {"description": KEY_DOCS[key], **value} if key in KEY_DOCS else value
        for key, value in properties.items()
    }


def _offered(known: Schema) -> Schema:
    """What an editor suggests, of what may be anything."""
    return _any(known, ANYTHING)


def _without(keys: Iterable[str]) -> Schema:
    """An object that has none of these keys."""
    return {"type": "object", "not": _any(*({"required": [key]} for key in keys))}


def _case(key: str, then: Schema) -> Schema:
    """What holds for an object that has this key."""
    return {"if": {"required": [key]}, "then": then}


class _Generator:
    def __init__(self, operators: Vocabulary) -> None:
        self.operators = operators
        known = library.builtin(operators)
        blocks = {name: known.block(name) for name in known.block_names()}
        presets = {name: known.shortcut(name) for name in known.shortcut_names()}
        self.blocks = {name: d for name, d in blocks.items() if d is not None}
        self.presets = {name: d for name, d in presets.items() if d is not None}

    def spec(self) -> Schema:
        """The whole: what any spec may say, then what holds where names are known."""
        alone = {"not": {"required": ["extends"]}}
        builtin = {"not": _any({"required": ["extends"]}, {"required": ["blocks"]})}
        definition = {"required": ["body"]}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"A network in resgen's spec language, version {LANGUAGE}",
            "type": "object",
            **_closed(_described(self._members())),
            "allOf": [
                {
                    "if": alone,
                    "then": {
                        "required": list(REQUIRED_KEYS),
                        "properties": {"blocks": {"additionalProperties": definition}},
                    },
                },
                {"if": builtin, "then": {"properties": self._builtin_only()}},
            ],
            "$defs": self._definitions(),
        }

    def _members(self) -> dict[str, Schema]:
        sizes = {"minItems": 2, "maxItems": 4}
        size = Param("integer", minimum=1, maximum=MAX_INPUT)
        made: dict[str, Schema] = {
            "resgen": {"const": LANGUAGE},
            "name": TEXT,
            "input": {**_list(self._argument(size)), **sizes},
            "stem": _ref("body"),
            "stages": _list(_ref("stage")),
            "head": {
                "if": _without((*FORMS, *COMMON)),
                "then": self._offers(self.blocks["classifier"]),
                "else": _ref("body"),
            },
            "let": {"type": "object", "additionalProperties": VALUE},
            "defaults": _ref("defaults"),
            "names": {"type": "object", **_closed(dict.fromkeys(NAMES, TEXT))},
            "blocks": {"type": "object", "additionalProperties": _ref("block")},
            "shortcuts": {"type": "object", "additionalProperties": _ref("preset")},
            "preprocess": {"type": "object", **_closed(self._picture())},
            "labels": _any(TEXT, _list(TEXT)),
            "doc": TEXT,
            "$schema": TEXT,
        }
        # A null deletes what the parent says.
        members = {key: _any(made[key], NULL) for key in KEYS}
        changes = {"type": ["object", "null"], "propertyNames": {"pattern": "^/"}}
        return {**members, "extends": TEXT, "set": changes}

    def _builtin_only(self) -> dict[str, Schema]:
        """What more can be told when every block is built in."""
        stated = self._parameters()
        taken = {k: v for k, v in stated.items() if k not in self.operators}
        said = {"properties": {**taken, "block": {"enum": [*self.blocks, None]}}}
        stage = {**said, "propertyNames": {"enum": [*STAGE_KEYS, *stated]}}
        named = [*STAGE_KEYS, *stated, *self.operators]
        defaults = {**said, "propertyNames": {"enum": list(dict.fromkeys(named))}}
        return {"stages": {"items": stage}, "defaults": defaults}

    def _definitions(self) -> dict[str, Schema]:
        operators = {
            f"op-{name}": {"properties": self._arguments(entry.signature)}
            for name, entry in self.operators.items()
        }
        return {
            **operators,
            "body": _any(_ref("element"), _list(_ref("body"))),
            "element": _any(self._names(self.operators, self.blocks), _ref("object")),
            "object": self._object(),
            "shortcut": _any(
                self._names(self.presets), {"type": "object", **_closed(self._fields())}
            ),
            "stage": {"type": "object", "properties": self._stage()},
            "defaults": {"type": "object", "properties": self._defaults()},
            "block": self._definition({"block": TEXT, "body": _ref("body")}),
            "preset": self._definition({"shortcut": TEXT, **self._fields()}),
            "type": _any({"enum": list(DECLARABLE)}, _list(_ref("type"))),
        }

    # --- values -----------------------------------------------------------------------

    def _argument(self, param: Param) -> Schema:
        """What may be written for a parameter; null is "not given"."""
        made = _any(*self._spellings(param), NULL)
        return {"description": param.doc, **made} if param.doc else made

    def _spellings(self, param: Param) -> list[Schema]:
        match param.kind:
            case "integer" | "channels" | "number" | "axes":
                kind = "number" if param.kind == "number" else "integer"
                low = 1 if param.kind == "channels" else param.minimum
                bounds = {"minimum": low, "maximum": param.maximum}
                stated = {k: v for k, v in bounds.items() if v is not None}
                single: list[Schema] = [{"type": kind, **stated}, TEXT]
                several = [_list(_any(*single))] if param.kind == "axes" else []
                return single + several
            case "boolean":
                return [CONDITION]
            case "enum":
                return [{"enum": list(param.choices)}, REFERENCE]
            case "list":
                return [_list(self._argument(param.item or param)), TEXT]
            case "body" | "shortcut":
                return [_ref(param.kind)]
            case "init":
                return [NUMBER, {"type": "object", "properties": self._initial()}]
            case _:
                return [TEXT]

    def _initial(self) -> dict[str, Schema]:
        numbers = {key: NUMBER for key in INITIAL_FIELDS if key != "fan"}
        return {"type": TEXT, "fan": {"enum": ["in", "out"]}, **numbers}

    def _picture(self) -> dict[str, Schema]:
        values = {key: self._argument(param) for key, param in PICTURE.items()}
        return {**values, "mean": _list(NUMBER), "std": _list(NUMBER)}

    def _arguments(self, signature: Signature) -> dict[str, Schema]:
        return {key: self._argument(param) for key, param in signature.items()}

    def _names(self, *tables: Mapping[str, OperatorEntry | Definition]) -> Schema:
        """Names that an editor offers; a spec's own are strings like any other."""
        names = {name: entry.doc for table in tables for name, entry in table.items()}
        known = [{"const": n, "description": doc} for n, doc in names.items()]
        return {"type": "string", **_offered(_any(*known))}

    def _offers(self, made: Definition) -> Schema:
        """Arguments of a built-in block, whose name a spec may give to its own."""
        known = self._arguments(made.params)
        return {"properties": {key: _offered(value) for key, value in known.items()}}

    # --- bodies -----------------------------------------------------------------------

    def _object(self) -> Schema:
        """An element with a form, each closed over its own keys."""
        forms: dict[str, dict[str, Schema]] = {
            "use": {"use": self._names(self.blocks), "with": {"type": "object"}},
            "seq": {"seq": _ref("body")},
            "residual": {
                **dict.fromkeys(("residual", "pre", "post"), _any(_ref("body"), NULL)),
                "shortcut": _any(_ref("shortcut"), NULL),
                "drop_path": _any(NUMBER, NULL),
                "with": {"type": "object", "additionalProperties": VALUE},
            },
            "for": {
                "for": {**TEXT, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                "in": self._argument(Param("integer", minimum=0)),
                "body": _ref("body"),
                "share": {"type": "boolean"},
            },
            **{key: {key: _ref("body")} for key in get_args(MergeKind)},
        }
        common = {**dict.fromkeys(COMMON, TEXT), "when": _any(CONDITION, NULL)}
        known = self._names(self.operators)["anyOf"][0]
        cases = [
            _case(form, _closed(_described({**keys, **common})))
            for form, keys in forms.items()
        ]
        operators = [
            {
                "if": {"properties": {"op": {"const": name}}, "required": ["op"]},
                "then": {
                    **_ref(f"op-{name}"),
                    "propertyNames": {"enum": ["op", *entry.signature, *COMMON]},
                },
            }
            for name, entry in self.operators.items()
        ]
        uses = [
            {
                "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
                "then": {"properties": {"with": self._offers(made)}},
            }
            for name, made in self.blocks.items()
        ]
        return {
            "type": "object",
            "minProperties": 1,
            "properties": _described({"op": known, **common}),
            "allOf": [*cases, *operators, *uses],
            "if": _without(FORMS),
            "then": {"propertyNames": {"enum": list(COMMON)}},
        }

    def _fields(self) -> dict[str, Schema]:
        """The fields of a shortcut."""
        words = {"enum": ["shape", "always"]}
        made: dict[str, Schema] = {
            "project": _any(self._names(self.presets), _ref("body"), NULL),
            "when": _any(words, CONDITION, NULL),
            "merge": self._argument(Param("enum", choices=MERGES)),
            "tap": self._argument(Param("enum", choices=TAPS)),
            "scale": _any(NUMBER, _ref("body"), NULL),
        }
        return _described({key: made[key] for key in SHORTCUT_KEYS})

    def _definition(self, own: Mapping[str, Schema]) -> Schema:
        """A block or a shortcut of a spec's own; null takes the parent's away."""
        param: dict[str, Schema] = {
            "type": _ref("type"),
            "enum": _list(TEXT),
            "default": ANYTHING,
            "min": {"type": "number"},
            "max": {"type": "number"},
            "doc": TEXT,
        }
        stated = {"type": "object", **_closed({key: param[key] for key in PARAM_KEYS})}
        header: dict[str, Schema] = {
            "resgen": {"const": LANGUAGE},
            "doc": TEXT,
            "params": {"type": "object", "additionalProperties": stated},
            "let": {"type": "object", "additionalProperties": VALUE},
        }
        members = {**{key: header[key] for key in HEADER}, **own}
        return {"type": ["object", "null"], **_closed(_described(members))}

    # --- stages -----------------------------------------------------------------------

    def _stage(self) -> dict[str, Schema]:
        end = _any(_ref("body"), NULL)
        made: dict[str, Schema] = {
            "block": _any(self._names(self.blocks), NULL),
            "depth": self._argument(Param("integer", minimum=0)),
            **dict.fromkeys(("entry", "exit", "body"), end),
            "stride": self._argument(Param("axes", minimum=1)),
            "name": _any(TEXT, NULL),
            **{name: _any(self._said(name), NULL) for name in STAGE_OPERATORS},
            "dilate": _any(CONDITION, NULL),
            "doc": TEXT,
        }
        keys = _described({key: made[key] for key in STAGE_KEYS})
        offered = {k: _offered(v) for k, v in self._parameters().items()}
        return {**offered, **keys}

    def _defaults(self) -> dict[str, Schema]:
        """Stage keys, parameters of blocks, and arguments of operators."""
        said = {
            name: {"if": _without(FORMS), "then": self._said(name)}
            for name in self.operators
        }
        return {**said, **self._stage()} | {
            name: {"description": self.operators[name].doc, **value}
            for name, value in said.items()
            if name not in STAGE_OPERATORS
        }

    def _said(self, name: str) -> Schema:
        """Arguments of an operator: an object, or the string that is shorthand."""
        entry = self.operators[name]
        closed = {"propertyNames": {"enum": list(entry.signature)}}
        made: Schema = {"type": "object", **_ref(f"op-{name}"), **closed}
        if entry.shorthand is None:
            return made
        return _any(self._argument(entry.signature[entry.shorthand]), made)

    def _parameters(self) -> dict[str, Schema]:
        """The parameters of all built-in blocks; a list is one value a block."""
        found: dict[str, list[Schema]] = {}
        for made in self.blocks.values():
            for name, param in made.params.items():
                stated = self._argument(param)
                takes = found.setdefault(name, [])
                takes += [] if stated in takes else [stated]
                if param.kind not in ("list", "body"):
                    takes += [] if _list(stated) in takes else [_list(stated)]
        return {
            name: {"description": takes[0].get("description", ""), **_any(*takes)}
            for name, takes in found.items()
        }
