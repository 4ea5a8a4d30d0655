"""The keys of the language, and what each means in a line for who writes specs."""

from __future__ import annotations

from typing import Final

#: Keys that decide what an element is.
FORMS: Final = (
    "op",
    "use",
    "seq",
    "residual",
    "add",
    "concat",
    "multiply",
    "maximum",
    "minimum",
    "stack",
    "list",
    "item",
    "outputs",
    "for",
)

#: Keys that any element may have.
COMMON: Final = ("as", "share", "when", "name", "from", "precision", "doc")
#: Those of an element that has no form.
KEEPING: Final = tuple(key for key in COMMON if key not in ("precision", "share"))

#: What the element of an output may say besides.
TRAIN_ONLY: Final = "train_only"

SHORTCUT_KEYS: Final = ("project", "when", "merge", "tap", "scale")

KEY_DOCS: Final = {
    "resgen": "Version of the language.",
    "name": "What the network is called.",
    "input": "Channels, then 1 to 3 spatial sizes.",
    "stem": "The body before the stages.",
    "stages": "What is repeated at one width and size, in order.",
    "head": 'The body after the stages, or {"classes": N}.',
    "let": "Names for values of the whole spec.",
    "defaults": "What a stage, or an operator, has unless it says otherwise.",
    "names": "Components of the parameters' paths.",
    "blocks": "Blocks of this spec's own.",
    "shortcuts": "Shortcut presets of this spec's own.",
    "preprocess": "How a picture becomes the input.",
    "labels": "Names of the classes, or a file with one a line.",
    "doc": "A remark.",
    "$schema": "Where an editor finds this schema.",
    "extends": "The file, or network of the zoo, that this spec changes.",
    "width": "What the widths of a parent's stages are multiplied by.",
    "resolution": "Height and width of the input, in pixels.",
    "rounding": "How scaled widths are rounded: divisible, nearest or whole.",
    "set": "Changes of single places, by JSON Pointer.",
    "widths": "Channels of single operators by path; what reads them follows.",
    "block": "What the stage repeats.",
    "depth": "How many times; in `scale`, a factor of that.",
    "entry": "What comes before the blocks; a bare block takes the stage's keys.",
    "exit": "What comes after the blocks; a bare block takes the stage's keys.",
    "wrap": 'A block around the stage\'s blocks, its parameter "inside".',
    "stride": "1 for the first stage and 2 for the others, unless said.",
    "norm": "Norms of this stage.",
    "act": "Activations of this stage.",
    "dilate": "The stage's stride becomes dilation.",
    "body": "What is run; in a stage, instead of block and depth.",
    "op": "An operator.",
    "use": 'A block, or a body parameter ("$p").',
    "seq": "One after the other.",
    "residual": "post(merge(drop_path(scale * residual(pre(x))), shortcut)).",
    "add": "The sum of branches.",
    "concat": "The channels of branches, or what `axis` says, one after the other.",
    "axis": "The axis of a concatenation; 0, the channels, unless said.",
    "multiply": "The product of branches.",
    "maximum": "The largest of branches, element by element.",
    "minimum": "The least of branches, element by element.",
    "stack": "Branches along a new first axis.",
    "list": "Branches kept apart: a list of values.",
    "item": "One value of a list, counted from 0 (from the end: -1).",
    "outputs": "What the network gives out, by name and in the order of names.",
    "train_only": "The network gives it out in training alone; no file has it.",
    "for": "A loop's variable, which counts from 0.",
    "in": "How many iterations.",
    "share": "Use the parameters of this path again; of a loop: in each iteration.",
    "with": "Arguments.",
    "as": "A component of the parameters' path.",
    "when": "A condition; false is as if the element were not written.",
    "from": "The kept value to start from.",
    "precision": "What it is to compute in, unless a part of it says its own.",
    "pre": "What comes before branch and shortcut part.",
    "post": "What follows the merge.",
    "drop_path": "The probability of dropping the branch in training.",
    "shortcut": "A preset, or an object of fields.",
    "project": "What the shortcut does, or the preset that it is taken from.",
    "merge": "How branch and shortcut meet.",
    "tap": "Where the projection starts: the input, or after `pre`.",
    "scale": "A factor of the branch, or a body; beside `extends`, of a parent.",
}
