"""The networks that keep the verdict honest: what they are, and which are held back.

They are of the families that the verdict is about: depth 20 to 110, plain and with
every kind of shortcut and branch scale, batch, group, layer and no norm, good and bad
initialisation. Some are listed, to have every kind; the others were drawn at random, to
have what nobody thought of. Rules and thresholds were chosen on those listed and the
first draws. The last hundred were drawn after that, and nothing was changed for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

Spec = dict[str, Any]

#: Blocks per stage; a network of three stages of two convolutions is 6n + 2 deep.
BLOCKS = {20: 3, 32: 5, 44: 7, 56: 9, 110: 18}
#: Channels of the first stage: few, so that training all of them takes minutes.
WIDTH = 8
#: The digits' mean and standard deviation, nearly: inputs of about unit scale.
NORMALISED = {"resize": None, "color": "gray", "mean": [0.3], "std": [0.3]}

SKIP_INIT = ["skip_init"]
LAYER_SCALE = ["layer_scale"]


def network(
    name: str,
    depth: int,
    *,
    block: str = "basic",
    shortcut: str = "projection",
    scale: Any = None,
    norm: Any = "batch",
    init: Any = None,
    width: int = WIDTH,
    preprocess: Spec = NORMALISED,
    **more: Any,
) -> Spec:
    """The spec of a network for 16 x 16 digits; ``init`` is that of convolutions."""
    defaults: Spec = {"block": block, "shortcut": shortcut, **more}
    if scale is not None:
        defaults["shortcut"] = {"project": shortcut, "scale": scale}
    if norm == "group":
        norm = {"type": "group", "groups": 4}
    if norm != "batch":
        defaults["norm"] = norm
    if init is not None:
        defaults["conv"] = {"init": {"weight": init}}
    preact = block.startswith("preact")
    stem = {"width": width, **({"preact": True} if preact else {})}
    classes = {"classes": 10}
    return {
        "resgen": 1,
        "name": name,
        "input": [1, 16, 16],
        "stem": {"use": "cifar", "with": stem},
        "defaults": defaults,
        "stages": [{"width": width * k, "depth": BLOCKS[depth]} for k in (1, 2, 4)],
        "head": [{"use": "preact_classifier", "with": classes}] if preact else classes,
        "preprocess": preprocess,
    }


def normal(std: float) -> Spec:
    """Every convolution drawn with this standard deviation, whatever its size."""
    return {"type": "normal", "std": std}


FAN_IN = {"type": "kaiming_normal", "fan": "in"}
GAIN_1 = {"type": "kaiming_normal", "gain": 1}
NONE = {"shortcut": "none"}
PREACT = {"block": "preact_basic", "shortcut": "preact"}
PREACT_PLAIN = {"block": "preact_basic", "shortcut": "none"}

_LIST: tuple[tuple[str, int, Spec], ...] = (
    # Depth 20: most of the variety, since it is cheap.
    ("res20-batch", 20, {}),
    ("res20-batch-raw", 20, {"preprocess": {"resize": None, "color": "gray"}}),
    ("res20-batch-wide", 20, {"width": 16}),
    ("res20-batch-gain1", 20, {"init": GAIN_1}),
    ("res20-batch-n0.01", 20, {"init": normal(0.01)}),
    ("res20-batch-n0.5", 20, {"init": normal(0.5)}),
    ("res20-batch-zeroinit", 20, {"zero_init": True}),
    ("res20-batch-skipinit", 20, {"scale": SKIP_INIT}),
    ("res20-batch-two", 20, {"scale": 2}),
    ("res20-batch-gelu", 20, {"act": "gelu"}),
    ("res20-batch-se", 20, {"attention": ["se"]}),
    ("res20-batch-identity", 20, {"shortcut": "zero-pad"}),
    ("res20-batch-allprojected", 20, {"shortcut": "projection-all"}),
    ("res20-group", 20, {"norm": "group"}),
    ("res20-layer", 20, {"norm": "layer"}),
    ("res20-none", 20, {"norm": "none"}),
    ("res20-none-tenth", 20, {"norm": "none", "scale": "1/10"}),
    ("res20-none-two", 20, {"norm": "none", "scale": 2}),
    ("res20-none-skipinit", 20, {"norm": "none", "scale": SKIP_INIT}),
    ("res20-none-layerscale", 20, {"norm": "none", "scale": LAYER_SCALE}),
    ("res20-none-n0.01", 20, {"norm": "none", "init": normal(0.01)}),
    ("res20-none-n0.1", 20, {"norm": "none", "init": normal(0.1)}),
    ("plain20-batch", 20, NONE),
    ("plain20-batch-n0.5", 20, {**NONE, "init": normal(0.5)}),
    ("plain20-batch-leaky", 20, {**NONE, "act": "leaky_relu"}),
    ("plain20-group", 20, {**NONE, "norm": "group"}),
    ("plain20-layer", 20, {**NONE, "norm": "layer"}),
    ("plain20-none", 20, {**NONE, "norm": "none"}),
    ("plain20-none-gain1", 20, {**NONE, "norm": "none", "init": GAIN_1}),
    ("plain20-none-fanin", 20, {**NONE, "norm": "none", "init": FAN_IN}),
    ("plain20-none-n0.01", 20, {**NONE, "norm": "none", "init": normal(0.01)}),
    ("pre20-batch", 20, PREACT),
    ("pre20-none", 20, {**PREACT, "norm": "none"}),
    ("preplain20-batch", 20, PREACT_PLAIN),
    ("preplain20-none", 20, {**PREACT_PLAIN, "norm": "none"}),
    # Depth 32 and 44: near the limits of plain and of unnormalised networks.
    ("res32-batch", 32, {}),
    ("res32-group", 32, {"norm": "group"}),
    ("res32-none", 32, {"norm": "none"}),
    ("plain32-batch", 32, NONE),
    ("plain32-group", 32, {**NONE, "norm": "group"}),
    ("plain32-none", 32, {**NONE, "norm": "none"}),
    ("res44-batch", 44, {}),
    ("res44-none", 44, {"norm": "none"}),
    ("plain44-batch", 44, NONE),
    ("plain44-group", 44, {**NONE, "norm": "group"}),
    # Depth 56 and 110: where residual learning was found to be needed.
    ("res56-batch", 56, {}),
    ("res56-batch-tenth", 56, {"scale": "1/10"}),
    ("res56-batch-layerscale", 56, {"scale": LAYER_SCALE}),
    ("res56-batch-two", 56, {"scale": 2}),
    ("res56-batch-ten", 56, {"scale": 10}),
    ("res56-batch-zeropad", 56, {"shortcut": "zero-pad"}),
    ("res56-group", 56, {"norm": "group"}),
    ("res56-layer", 56, {"norm": "layer"}),
    ("res56-none", 56, {"norm": "none"}),
    ("res56-none-tenth", 56, {"norm": "none", "scale": "1/10"}),
    ("res56-none-half", 56, {"norm": "none", "scale": "1/2"}),
    ("res56-none-skipinit", 56, {"norm": "none", "scale": SKIP_INIT}),
    ("plain56-batch", 56, NONE),
    ("plain56-batch-n0.1", 56, {**NONE, "init": normal(0.1)}),
    ("plain56-group", 56, {**NONE, "norm": "group"}),
    ("plain56-layer", 56, {**NONE, "norm": "layer"}),
    ("plain56-none", 56, {**NONE, "norm": "none"}),
    ("plain56-none-n0.1", 56, {**NONE, "norm": "none", "init": normal(0.1)}),
    ("pre56-batch", 56, PREACT),
    ("preplain56-batch", 56, PREACT_PLAIN),
    ("res110-batch-half", 110, {"scale": "1/2"}),
    ("res110-batch-zeroinit", 110, {"zero_init": True}),
    ("res110-none", 110, {"norm": "none"}),
    ("plain110-batch", 110, NONE),
    ("plain110-group", 110, {**NONE, "norm": "group"}),
    ("plain110-none", 110, {**NONE, "norm": "none"}),
)

#: Draws that rules were chosen on, layer norm among them, and those since, without:
#: what layer norm does to short training the rules do not tell (README).
SEEN, HELD = 130, 100
#: What they were drawn from; what stands there twice is drawn twice as often.
_CHOICES: dict[str, tuple[Any, ...]] = {
    "depth": (20, 20, 20, 32, 32, 44, 56, 56, 110),
    "block": ("basic", "basic", "basic", "preact_basic", "bottleneck"),
    "norm": ("batch", "batch", "batch", "group", "layer", "none", "none"),
    "plain": (True, True, False, False, False),
    "shortcut": ("projection", "projection", "projection-all", "zero-pad"),
    "scale": (None, None, None, None, "1/2", 2, "1/10", 4, SKIP_INIT, LAYER_SCALE),
    "init": (None, None, None, FAN_IN, GAIN_1, normal(0.02), normal(0.05), normal(0.2)),
    "act": ("relu", "relu", "relu", "silu", "leaky_relu", "gelu"),
    "width": (8, 8, 12),
}
_CHOICES_HELD = {
    **_CHOICES,
    "norm": ("batch", "batch", "batch", "group", "none", "none"),
}


def _drawn(number: int) -> tuple[str, int, Spec]:
    draw = Random(number)
    among = _CHOICES if number < SEEN else _CHOICES_HELD
    take = {name: draw.choice(choices) for name, choices in among.items()}
    depth, plain = take.pop("depth"), take.pop("plain")
    if take["norm"] == "group" and take["block"] == "bottleneck":
        take["block"] = "basic"  # a bottleneck is too narrow for four groups
    if plain:
        take.update(shortcut="none", scale=None)
    elif take["block"] == "preact_basic":
        take["shortcut"] = "preact"
    kind = "plain" if plain else "res"
    return f"drawn{number:03}-{kind}{depth}-{take['norm']}", depth, take


def _draws() -> Iterator[tuple[str, int, Spec]]:
    """All draws; of those held back none is a network that stands before it."""
    known = []
    for number in count():
        name, depth, take = _drawn(number)
        if number >= SEEN:
            if (depth, take) in known:
                continue
            if len(known) == SEEN + HELD:
                return
        known.append((depth, take))
        yield name, depth, take


#: The spec of every network by its name.
NETWORKS: dict[str, Spec] = {
    name: network(name.replace(".", "_"), depth, **options)
    for name, depth, options in (*_LIST, *_draws())
}


def held_back(name: str) -> bool:
    """Whether nothing was chosen for a network: it was drawn after all was fixed."""
    return name.startswith("drawn") and int(name[5:8]) >= SEEN
