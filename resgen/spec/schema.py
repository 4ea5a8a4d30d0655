"""The language as a JSON Schema (2020-12), for editors.

It is made of the tables that the reader itself goes by, so an editor completes what
the reader takes. It never refuses a spec that the reader takes: a spec with blocks of
its own, or with a parent, may use names that no schema can know, so these are offered
there and closed elsewhere. ``resgen check`` has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from resgen.spec import library
from resgen.spec.decode import KEYS, LANGUAGE, MAX_INPUT, NAMES, REQUIRED_KEYS
from resgen.spec.definition import HEADER, PARAM_KEYS
from resgen.spec.fragments import (
    ANYTHING,
    CONDITION,
    NULL,
    NUMBER,
    TEXT,
    VALUE,
    Schema,
    Spellings,
    any_of,
    case,
    closed,
    described,
    list_of,
    names,
    offered,
    ref,
    without,
)
from resgen.spec.keys import COMMON, FORMS, KEEPING, SHORTCUT_KEYS, TRAIN_ONLY
from resgen.spec.model import MERGES, PRECISION, TAPS, MergeKind
from resgen.spec.params import DECLARABLE, OperatorEntry, Param, Vocabulary
from resgen.spec.picture import PARAMS as PICTURE
from resgen.spec.scale import ROUNDINGS
from resgen.spec.stages import STAGE_KEYS, STAGE_OPERATORS

#: A bare name, as a property's name or a string.
IDENTIFIER: Final = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}


def schema(operators: Vocabulary) -> Schema:
    """The schema of a spec, given the operators that its bodies may use."""
    return _Generator(operators).spec()


class _Generator:
    def __init__(self, operators: Vocabulary) -> None:
        self.operators = operators
        self.spellings = Spellings()
        known = library.builtin(operators)
        blocks = {name: known.block(name) for name in known.block_names()}
        presets = {name: known.shortcut(name) for name in known.shortcut_names()}
        self.blocks = {name: d for name, d in blocks.items() if d is not None}
        self.presets = {name: d for name, d in presets.items() if d is not None}
        self.parameters = self._parameters()

    def _parameters(self) -> dict[str, Schema]:
        """The parameters of all built-in blocks; a list is one value a block."""
        found: dict[str, list[Schema]] = {}
        for made in self.blocks.values():
            for name, param in made.params.items():
                stated = self.spellings.argument(param)
                takes = [stated]
                if param.kind not in ("list", "body"):
                    item = {k: v for k, v in stated.items() if k != "description"}
                    takes.append(list_of(item))
                known = found.setdefault(name, [])
                known += [schema for schema in takes if schema not in known]
        return {
            name: {"description": takes[0].get("description", ""), **any_of(*takes)}
            for name, takes in found.items()
        }

    def spec(self) -> Schema:
        """The whole: what any spec may say, then what holds where names are known."""
        whole = {
            "required": list(REQUIRED_KEYS),
            "properties": {
                "blocks": {"additionalProperties": {"required": ["body"]}},
            },
        }
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"A network in resgen's spec language, version {LANGUAGE}",
            **closed(described(self._members())),
            "allOf": [
                {"if": without(["extends"]), "then": whole},
                {"if": without(["extends", "blocks"]), "then": self._builtin_only()},
            ],
            "$defs": self._definitions(),
        }

    def _members(self) -> dict[str, Schema]:
        size = self.spellings.argument(Param("integer", minimum=1, maximum=MAX_INPUT))
        width = self.spellings.argument(Param("channels"))
        picture = self.spellings.arguments(PICTURE)
        by_channel = {"mean": list_of(NUMBER), "std": list_of(NUMBER)}
        named = any_of(TEXT, list_of(TEXT))
        by_number = {
            "type": "object",
            "propertyNames": {"pattern": "^(0|[1-9][0-9]*)$"},
            "additionalProperties": named,
        }
        made: dict[str, Schema] = {
            "resgen": {"const": LANGUAGE},
            "name": TEXT,
            "input": {**list_of(size), "minItems": 2, "maxItems": 4},
            "stem": ref("body"),
            "stages": list_of(ref("stage")),
            "head": {
                "if": self._short_head(),
                "then": ref("block-classifier"),
                "else": ref("body"),
            },
            "let": {"type": "object", "additionalProperties": VALUE},
            "defaults": ref("defaults"),
            "names": closed(dict.fromkeys(NAMES, TEXT)),
            "blocks": {"type": "object", "additionalProperties": ref("block")},
            "shortcuts": {"type": "object", "additionalProperties": ref("preset")},
            "widths": {"type": "object", "additionalProperties": any_of(width, NULL)},
            "preprocess": closed({**picture, **by_channel}),
            "labels": any_of(TEXT, list_of(named), by_number),
            "doc": TEXT,
            "$schema": TEXT,
        }
        # A null deletes what the parent says.
        members = {key: any_of(made[key], NULL) for key in KEYS}
        changes = {"type": ["object", "null"], "propertyNames": {"pattern": "^/"}}
        scale = closed(
            described(
                {
                    "width": NUMBER,
                    "depth": NUMBER,
                    "resolution": {"type": "integer", "minimum": 1},
                    "rounding": {"enum": list(ROUNDINGS)},
                }
            )
        )
        return {**members, "extends": TEXT, "set": changes, "scale": scale}

    def _builtin_only(self) -> Schema:
        """What more can be told when every block is built in."""
        own = [key for key in self.parameters if key not in self.operators]
        typed = {key: ref(f"parameter-{key}") for key in own}
        said = {"properties": {**typed, "block": {"enum": [*self.blocks, None]}}}
        keys = [*STAGE_KEYS, *self.parameters]
        everywhere = list(dict.fromkeys((*keys, *self.operators)))
        classifier = self.spellings.arguments(self.blocks["classifier"].params)
        classifier |= described({"precision": ref("precision")})
        return {
            "properties": {
                "stages": {"items": {**said, "propertyNames": {"enum": keys}}},
                "defaults": {**said, "propertyNames": {"enum": everywhere}},
                "head": {"if": self._short_head(), "then": closed(classifier)},
            }
        }

    def _short_head(self) -> Schema:
        """A head that states arguments of the classifier, and perhaps a precision."""
        return without(key for key in (*FORMS, *COMMON) if key != "precision")

    def _definitions(self) -> dict[str, Schema]:
        docs = {
            "operator": {name: e.doc for name, e in self.operators.items()},
            "block": {name: d.doc for name, d in self.blocks.items()},
            "shortcut": {name: d.doc for name, d in self.presets.items()},
        }
        return {
            "no-form": without(FORMS),
            "element-key": {"enum": ["op", *COMMON]},
            "body": any_of(ref("element"), list_of(ref("body"))),
            "element": any_of(ref("an-operator"), ref("a-block"), ref("object")),
            "object": self._object(),
            "train-only": {
                "properties": described({TRAIN_ONLY: {"type": "boolean"}}),
                "required": [TRAIN_ONLY],
            },
            "shortcut": any_of(ref("a-shortcut"), closed(self._fields())),
            "stage": {"type": "object", "properties": self._stage()},
            "defaults": {"type": "object", "properties": self._defaults()},
            "block": self._definition({"block": TEXT, "body": ref("body")}),
            "preset": self._definition({"shortcut": TEXT, **self._fields()}),
            "precision": self.spellings.argument(PRECISION),
            "type": any_of({"enum": list(DECLARABLE)}, list_of(ref("type"))),
            "an-operator": names(docs["operator"]),
            "a-block": names(docs["block"]),
            "a-shortcut": names(docs["shortcut"]),
            **{f"parameter-{name}": made for name, made in self.parameters.items()},
            **{
                f"operator-{name}": self._signature(entry)
                for name, entry in self.operators.items()
            },
            **{f"block-{name}": self._arguments(name) for name in self.blocks},
            **self.spellings.definitions,
        }

    def _arguments(self, block: str) -> Schema:
        """Arguments of a built-in block, whose name a spec may give to its own."""
        known = self.spellings.arguments(self.blocks[block].params)
        return offered({"properties": known})

    def _signature(self, entry: OperatorEntry) -> Schema:
        """Arguments of an operator, and the keys that every element may have."""
        keys = any_of({"enum": list(entry.signature)}, ref("element-key"))
        known = self.spellings.arguments(entry.signature)
        return {"properties": known, "propertyNames": keys}

    # --- bodies -----------------------------------------------------------------------

    def _object(self) -> Schema:
        """An element with a form, each closed over its own keys."""
        body = any_of(ref("body"), NULL)
        forms: dict[str, dict[str, Schema]] = {
            "use": {"use": ref("a-block"), "with": {"type": "object"}},
            "seq": {"seq": ref("body")},
            "residual": {
                "residual": ref("body"),
                "pre": body,
                "post": body,
                "drop_path": any_of(NUMBER, NULL),
                "shortcut": any_of(ref("shortcut"), NULL),
                "with": {"type": "object", "additionalProperties": any_of(VALUE, NULL)},
            },
            "for": {
                "for": {**TEXT, **IDENTIFIER},
                "in": self.spellings.argument(Param("integer", minimum=0)),
                "body": ref("body"),
            },
            "item": {"item": self.spellings.argument(Param("integer"))},
            "outputs": {
                "outputs": {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": IDENTIFIER,
                    "additionalProperties": any_of(ref("body"), ref("train-only")),
                },
            },
            **{kind: {kind: ref("body")} for kind in get_args(MergeKind)},
            "concat": {
                "concat": ref("body"),
                "axis": self.spellings.argument(Param("integer", minimum=0)),
            },
        }
        common = {
            **dict.fromkeys(COMMON, TEXT),
            "share": {"type": "boolean"},
            "when": any_of(CONDITION, NULL),
            "precision": ref("precision"),
        }
        cases = [
            case(form, closed(described({**keys, **common})))
            for form, keys in forms.items()
        ]
        cases += [case("op", ref(f"operator-{name}"), name) for name in self.operators]
        for name in self.blocks:
            said = {"properties": {"with": ref(f"block-{name}")}}
            cases.append(case("use", said, name))
        operators = {"enum": list(self.operators)}
        return {
            "type": "object",
            "minProperties": 1,
            "properties": described({"op": operators, **common}),
            "allOf": cases,
            "if": ref("no-form"),
            "then": {"propertyNames": {"enum": list(KEEPING)}},
        }

    def _fields(self) -> dict[str, Schema]:
        """The fields of a shortcut."""
        words = {"enum": ["shape", "always"]}
        made: dict[str, Schema] = {
            "project": any_of(ref("a-shortcut"), ref("body"), NULL),
            "when": any_of(words, CONDITION, NULL),
            "merge": self.spellings.argument(Param("enum", choices=MERGES)),
            "tap": self.spellings.argument(Param("enum", choices=TAPS)),
            "scale": any_of(NUMBER, ref("body"), NULL),
        }
        return described({key: made[key] for key in SHORTCUT_KEYS})

    def _definition(self, own: Mapping[str, Schema]) -> Schema:
        """A block or a shortcut of a spec's own; null takes the parent's away."""
        param: dict[str, Schema] = {
            "type": ref("type"),
            "enum": list_of(TEXT),
            "default": ANYTHING,
            "min": {"type": "number"},
            "max": {"type": "number"},
            "doc": TEXT,
        }
        stated = closed({key: param[key] for key in PARAM_KEYS})
        header: dict[str, Schema] = {
            "resgen": {"const": LANGUAGE},
            "doc": TEXT,
            "params": {"type": "object", "additionalProperties": stated},
            "let": {"type": "object", "additionalProperties": VALUE},
        }
        members = {**{key: header[key] for key in HEADER}, **own}
        return any_of(closed(described(members)), NULL)

    # --- stages -----------------------------------------------------------------------

    def _stage(self) -> dict[str, Schema]:
        end = any_of(ref("body"), NULL)
        made: dict[str, Schema] = {
            "block": any_of(ref("a-block"), NULL),
            "depth": self.spellings.argument(Param("integer", minimum=0)),
            "entry": end,
            "exit": end,
            "wrap": ref("a-block"),
            "stride": self.spellings.argument(Param("axes", minimum=1)),
            "name": any_of(TEXT, NULL),
            **{name: any_of(self._said(name), NULL) for name in STAGE_OPERATORS},
            "dilate": any_of(CONDITION, NULL),
            "body": end,
            "precision": any_of(ref("precision"), list_of(ref("precision"))),
            "doc": TEXT,
        }
        keys = described({key: made[key] for key in STAGE_KEYS})
        params = {key: offered(ref(f"parameter-{key}")) for key in self.parameters}
        return {**params, **keys}

    def _defaults(self) -> dict[str, Schema]:
        """Stage keys, parameters of blocks, and arguments of operators."""
        spoken_of = {
            name: {
                "description": entry.doc,
                "if": ref("no-form"),
                "then": self._said(name),
            }
            for name, entry in self.operators.items()
            if name not in STAGE_OPERATORS
        }
        whole = described({"precision": ref("precision")})
        return {**self._stage(), **whole, **spoken_of}

    def _said(self, name: str) -> Schema:
        """Arguments of an operator: an object, or the string that is shorthand."""
        entry = self.operators[name]
        alone = {"propertyNames": {"not": ref("element-key")}}
        made = {"type": "object", **ref(f"operator-{name}"), **alone}
        if entry.shorthand is None:
            return made
        return any_of(self.spellings.argument(entry.signature[entry.shorthand]), made)
