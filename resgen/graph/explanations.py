"""What every code means: the texts of ``resgen check --explain CODE``.

Here stand those of the codes that reading a spec, building its graph and the
operators raise; a rule of :mod:`resgen.graph.rules` is explained by its docstring.
Codes are stable: a code that is retired is never given another meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc
from typing import Final

from resgen.errors import Severity


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code, what it is called and what to do about it."""

    code: str
    severity: Severity
    title: str
    text: str

    @classmethod
    def of(cls, code: str, severity: Severity, title: str, text: str) -> Explanation:
        """One whose text is indented as a docstring is."""
        return cls(code, severity, title, cleandoc(text))


def _error(code: str, title: str, text: str) -> Explanation:
    return Explanation.of(code, "error", title, text)


READING: Final = (
    _error("RG001", "Not JSON", """
    The file breaks JSON's grammar: a comma too many or too few, a missing quote or
    bracket, a comment. The place is where the grammar breaks, often just after the
    fault.

        {"name": "mine" "input": [3, 224, 224]}      a comma is missing before "input"

    JSON has no comments: write them as `"doc": "..."`, which a spec, a stage, an
    element, a block and a parameter of a block take.
    """),
    _error("RG002", "A key given twice", """
    An object has the same key twice. Most readers of JSON silently keep the last one,
    so two people could see two networks in one file; here it is an error.

        {"width": 256, "depth": 3, "width": 512}

    Remove one of them.
    """),
    _error("RG003", "Not UTF-8", """
    The file holds bytes that are not UTF-8, the encoding of JSON. It was probably saved
    as Latin-1 or UTF-16. Save it as UTF-8 in your editor, or convert it:

        iconv -f latin1 -t utf-8 old.json > new.json
    """),
    _error("RG004", "Nested too deep", """
    Objects and lists stand inside one another deeper than any network needs; the limit
    keeps a damaged or hostile file from exhausting memory. A repetition is written
    with `for`, and a part that is used in many places as a block under `blocks`:

        {"for": "i", "in": 8, "body": {"use": "mine"}}
    """),
    _error("RG005", "A number that cannot be kept", """
    A number is not one of JSON (`NaN`, `+1`, `.5`, `0x10`), has too many digits, or is
    too large, too small or too long to be the same for every reader. Write it plainly;
    a fraction may be an expression, which is exact:

        {"ratio": "1/3"}          rather than 0.333333333333333333333
    """),
    _error("RG006", "The file cannot be read", """
    The spec does not exist, is a directory, is empty, may not be read, or is far
    larger than a spec is. SPEC is a file or the name of a network of the zoo;
    `resgen list` shows the names.

        resgen check resnet50         resgen check ./mine.json
    """),
    _error("RG010", "Unknown key", """
    A key that nothing understands. It is refused rather than ignored, so that a slip
    of the pen never trains for a week.

        {"with": 256, "depth": 3}          "width" was meant

    Correct or remove it. A remark goes into `doc`; a note for an editor into `$schema`.
    """),
    _error("RG011", "Missing key", """
    Something that must be said is not. A spec needs `resgen`, `name`, `input`, `stem`,
    `stages` and `head`; a stage needs a `block` and a `depth`, its own or from
    `defaults`; a `for` needs `in` and `body`.

        {"resgen": 1, "name": "mine", "input": [3, 32, 32], "stem": "cifar", ...}
    """),
    _error("RG012", "Wrong type", """
    A value is not of the kind that its key takes, such as a string where a list is due.

        {"input": 224}          takes [3, 224, 224]: channels, then 1 to 3 sizes

    The message says what was expected. A string where a number is due is read as an
    expression, so `"width": "64 * 2"` is right and a quoted word is not. A fraction is
    no integer: `"width // 3"` rounds down where `"width / 3"` does not come out even.
    """),
    _error("RG013", "Out of range", """
    A value is of the right kind but not one of those allowed: a width of 0, a negative
    depth, a word that is not among the choices.

        {"op": "conv", "out": 64, "kernel": 0}          a kernel is at least 1

    The message gives the bounds or the choices.
    """),
    _error("RG014", "Unknown language version", """
    `"resgen"` is the version of the spec language, and this program does not know it.
    It refuses to guess, since a later version may give a key another meaning.

        {"resgen": 1, ...}

    Write 1, or install a later resgen if the spec needs it.
    """),
    Explanation.of("RG015", "warning", "Channels come first", """
    The last size of `input` is one that channels have, and the first one that a picture
    has. `input` is channels, then sizes, as PyTorch has it: [1, 64, 64] for a gray
    picture of 64 x 64.

        {"input": [64, 64, 1]}          [1, 64, 64] was probably meant
    """),
    _error("RG017", "Nothing to scale", """
    `scale` multiplies what the network that is extended calls `width` and `depth`: in
    `let`, or in its stages and `defaults`. This one has no such value: its stages are
    bodies, or say their channels in other words.

        "let": {"width": 1}, ... "out": "divisible(32 * width, 8)"
    """),
    _error("RG018", "Nothing that has a width", """
    `widths` gives operators channels of their own by their paths, which are those of
    their parameters: convolutions, linear maps and `pad_channels`. No operator has this
    path, or the one that has it gives out as many channels as enter it: a norm, or a
    convolution of each channel by itself, which follows what it reads.

        "widths": {"layer1.0.conv1": 48}

    The path is a parameter's name without its last part: `layer1.0.conv1` has the
    parameter `layer1.0.conv1.weight`.
    """),
    Explanation.of("RG016", "warning", "Pictures arrive otherwise than meant", """
    What `preprocess` says of pictures does not go together: they are made smaller than
    the input, so its rim is black, or `mean` speaks of values up to 255 where `scale`
    has made them 0 to 1.

        {"mean": [123.675, 116.28, 103.53]}    with "scale": 1, or divided by 255
    """),
    Explanation.of("RG214", "warning", "Another input makes other weights", """
    The spec changes the input of a network that flattens a map before it is classified,
    as networks of old do: the map's size decides the shape of a weight. Published
    weights and counts are those of the published input.

        "head": ["flatten", {"op": "linear", "as": "fc", "out": 10}]

    Keep the input, or pool to the published size before it (`adaptive_avg_pool`, as
    `vgg16` does), or to one position (`global_pool`).
    """),
    _error("RG020", "Unknown operator or block", """
    A name is neither an operator, a built-in block, nor one of the spec's `blocks`.

        {"block": "botleneck", "depth": 3}          "bottleneck" was meant

    Correct it (`resgen schema` lists all names), or define the block under `blocks`.
    """),
    _error("RG021", "Unknown shortcut", """
    A shortcut goes by a name that is neither built in nor one of the spec's own. Built
    in are `identity`, `projection`, `projection-all`, `avg-projection`, `zero-pad`,
    `concat` and `none`, among others.

        {"width": 512, "depth": 4, "shortcut": "projection"}

    An object changes single fields instead: `{"project": "zero-pad"}`.
    """),
    _error("RG022", "Nothing takes this parameter", """
    A stage, its `defaults` or a `with` gives a parameter that the block does not have.

        {"block": "basic", "width": 64, "depth": 2, "cardinality": 32}

    Each block's file declares what it takes under `params`; the message lists it.
    Correct the name, or add the parameter to a block of your own.
    """),
    _error("RG023", "A parameter without a value", """
    A block declares a parameter without a default, and nothing gives it a value.

        {"block": "bottleneck", "depth": 3}          "width" is missing

    Give it in the stage, in `defaults` or in the `with` of a `use`; or give the
    parameter a `default` in the block. What a shortcut needs stands beside it:

        {"residual": BODY, "shortcut": "projection", "with": {"width": 64, "stride": 2}}
    """),
    _error("RG024", "Unknown kept value", """
    A `from`, or an attribute that takes a value, speaks of a name that is not kept
    there. A kept value is visible from the element that sets it by `name` to the end of
    the body around it, and never inside a block that is used there.

        [{"op": "act", "name": "x"}, {"op": "conv", "out": 8, "kernel": 3},
         {"from": "x", "op": "conv", "out": 8, "kernel": 1}]

    Keep it before it is used, or hand it to the block as a body.
    """),
    _error("RG025", "One value, or a list", """
    An operator, a residual element and the end of a network take one value, and this is
    a list; or an item is taken of what is no list. Branches are kept apart by `list`,
    and `stages` is the list of what the stages yield.

        {"item": 0}                                     one of them
        {"concat": [[]]}                                all of them, brought together
        {"list": {"for": "i", "in": "len(channels)",
                  "body": [{"item": "i"}, "act"]}}      something done to each
        {"outputs": {"maps": []}}                       the network gives them out

    Nothing follows `outputs`: it ends the head.
    """),
    _error("RG026", "No such item", """
    `item`, or brackets after a name in `from`, ask for what a list has not. Items count
    from 0, and from the end: -1 is the last. `x[1:]` is the list without its first.

        [{"list": [[], "act"]}, {"item": 2}]       there are 0 and 1
    """),
    _error("RG027", "Nothing to share", """
    An element with `"share": true` uses the parameters of its paths once more, so what
    has them comes before it. The paths are made of `as`.

        [{"op": "conv", "out": 8, "kernel": 3, "as": "twice"}, "act",
         {"op": "conv", "out": 8, "kernel": 3, "as": "twice", "share": true}]

    In a loop, `share` is of the iterations: the first has the parameters. What has
    parameters in there needs an `as`.
    """),
    _error("RG030", "Not an expression", """
    A string in a numeric or boolean field is an expression, and this one cannot be
    read. There are numbers, names, `+ - * / // % **`, comparisons, `and or not`,
    `x if c else y`, indexing, and the functions `floor ceil round max min len log2 sqrt
    divisible`; nothing else, and never Python. What has no value whatever the names
    are, such as `"8 // 0"`, cannot be read either.

        {"out": "width // 4"}          not "width / 4 channels"
    """),
    _error("RG031", "An expression has no value", """
    An expression can be read, but not computed with the values that its names have
    there: it divides by one that is zero, indexes past the end, grows beyond bounds,
    or two values of a `let` need one another.

        {"width": "64 // stage"}          the first stage is 0
    """),
    _error("RG032", "Unknown name in an expression", """
    An expression uses a name that has no value there. A block sees its parameters, its
    own `let`, `channels`, `here` and the positions `stage`, `index`, `block` and
    `blocks`, and the loop variables around it; it does not see the caller's names. Hand
    them over:

        {"use": "mine", "with": {"inner": "width // 2"}}
    """),
    _error("RG033", "Not a name for a part of the network", """
    An `as`, one of `names` or a stage's `name` becomes a part of the parameters' paths,
    of PyTorch's modules and of the tensors in a file. It takes letters, digits, `_` and
    `-`, joined by single dots, and none of the words that Python or
    `torch.nn.Module` keep for themselves (`for`, `train`, `forward`, `type`, ...).

        {"op": "conv", "as": "train", ...}          "train_conv" would do

    `{expr}` is replaced first, so `"as": "conv{i}"` is right and `"as": "w{i / 2}"`
    is not: it may yield `w1/2`.
    """),
    _error("RG040", "The parent spec cannot be read", """
    `extends` names a spec that is not there or has problems of its own. It is a path
    relative to the file that says it, or the name of a network of the zoo.

        {"extends": "resnet50.json", "name": "resnet101",
         "set": {"/stages/2/depth": 23}}
    """),
    _error("RG041", "`set` points nowhere", """
    A change by `set` (or `--set`) goes to a place that the spec does not have. Places
    are JSON Pointers: keys and list positions, counted from 0, with a slash before
    each.

        --set /stages/2/depth=23          the third stage

    Only the last part of a pointer may be new, and only in an object.
    """),
    _error("RG042", "A spec extends itself", """
    Following `extends` from spec to spec leads back to where it began, so there is no
    network to begin from. The message shows the circle. One of the specs must stand by
    itself, without `extends`.

        a.json: {"extends": "b.json"}     b.json: {"extends": "a.json"}
    """),
    _error("RG043", "The parent spec lies out of reach", """
    `extends` leads outside the folders that a spec may read from: the working folder
    if it holds the spec, otherwise the spec's own, and the zoo. So a stranger's spec
    can never read your files.

        {"extends": "../../private.json"}

    Move the parent beside the spec; the message names the folders that may be read.
    """),
    _error("RG050", "A limit is exceeded", """
    The spec asks for more than a stated limit: operators, parameters, elements of an
    expression, or nesting of blocks. Limits are checked before memory is touched, so
    that a slip (`"depth": 1000000000`) costs nothing.

        {"block": "basic", "depth": 1000000000}

    Correct the number; if you mean it, raise the limit that the message names.
    """),
    _error("RG051", "A block or a shortcut uses itself without end", """
    A block may use itself, but a condition has to end it. Here none does, or it never
    becomes false.

        "body": [{"use": "tree", "with": {"levels": "levels - 1"},
                  "when": "levels > 1"}]

    Neither may a shortcut take its projection from itself: one that changes a built-in
    one has a name of its own.

    Give the inner `use` a `when`, and let its arguments approach the end.
    """),
)  # fmt: skip

BUILDING: Final = (
    _error("RG104", "A merge of unequal shapes", """
    Branches that meet have different shapes: an `add` needs all equal, a `concat` all
    but the channels. Most often a shortcut is `identity` while the width or the
    stride changes, so the input no longer fits the branch's result:

        {"width": 512, "depth": 4, "shortcut": "identity"}     after a stage of 256

    Use `"shortcut": "projection"`, which maps the input where the shape changes, or
    keep the width and the stride.
    """),
    _error("RG105", "Groups do not divide the channels", """
    A grouped convolution splits its input and output channels into equal groups.

        {"op": "conv", "out": 100, "kernel": 3, "groups": 32}     100 / 32 is not whole

    Choose groups that divide both, or round the width: `"divisible(w, 32)"`.
    """),
    _error("RG106", "The map collapses", """
    So many strides and unpadded windows have passed that a window no longer fits into
    what is left of the picture.

        {"input": [3, 16, 16], "stem": "imagenet", ...}          five halvings of 16

    Use a larger input, fewer stages, smaller strides (`"stride": 1`) or, for small
    pictures, the stem `cifar`.
    """),
    _error("RG108", "Two operators of one path", """
    Two operators would keep their parameters under the same path, so that a checkpoint
    could hold only one of them. Usually an `as` is repeated, or a loop lacks its index:

        {"for": "i", "in": 3, "as": "conv", "body": ...}     "as": "conv{i}" tells apart

    If they are meant to use the same parameters, say `"share": true`.
    """),
    _error("RG110", "One number for each axis", """
    A spatial attribute has another number of values than the input has spatial axes.
    Pictures have two axes, signals one, videos three.

        {"op": "conv", "out": 8, "kernel": [1, 7]}          on a signal: "kernel": 7

    Write one number, which counts for all axes, or as many as there are axes.
    """),
    _error("RG111", "The operator does not work at this rank", """
    The operator is not defined for this number of axes: a convolution or pooling needs
    one to three spatial axes, and after a `flatten` there are none left.

        ["flatten", {"op": "conv", "out": 8, "kernel": 3}]

    Move it before what removes the axes, or use an operator of any rank (`linear`).
    """),
    _error("RG112", "Sizes do not fit", """
    A `reshape`, `slice`, `resize` or the like asks for sizes that its input does not
    have: the elements do not come out even, or the slice reaches past the end.

        {"op": "reshape", "to": [32, -1, 7]}          of 100 elements

    The message gives both; correct the size, or let one axis follow by -1.
    """),
)  # fmt: skip

ELSEWHERE: Final = (*READING, *BUILDING)
