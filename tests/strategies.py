"""Hypothesis strategies: small valid specs over everything that is built in."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from resgen.ops.act import FORMS as ACTIVATIONS

Json = dict[str, Any]

WIDTHS = (16, 32)
#: Blocks that take a stride and a shortcut, with further parameters that each takes.
STRIDED = {
    "basic": ("ratio", "groups", "antialias", "attention", "regularize"),
    "bottleneck": (
        *("ratio", "groups", "antialias", "attention", "regularize"),
        *("reduce", "stride_at"),
    ),
    "preact_basic": ("attention", "dropout"),
    "preact_bottleneck": ("ratio", "groups", "attention"),
    "res2net_bottleneck": ("scale",),
    "resnest_bottleneck": ("ratio", "groups", "radix"),
    "sk_bottleneck": ("kernels", "split"),
}
TAKES_ZERO_INIT = ("basic", "bottleneck", "preact_basic", "preact_bottleneck")
PROJECTIONS = ("projection", "projection-all", "avg-projection", "conv")
SHORTCUTS = (*PROJECTIONS, "preact", "concat", "none")


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or None where nothing is said."""
    return st.none() | strategy


def said(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object that has some of these keys."""
    return st.fixed_dictionaries({}, optional=values)


def parameters(axes: int) -> dict[str, st.SearchStrategy[Any]]:
    """Values of parameters of blocks; widths are multiples of 8."""
    attention = [
        "se",
        [],
        {"use": "se", "with": {"reduction": "1/4", "divisor": 4}},
    ]
    attention += ["eca"] if axes == 2 else []
    # Blocks under avg_aa round odd sizes down and projections up: see `stages`.
    smoothing = ["avg_aa", []] + (["blur"] if axes == 2 else [])
    return {
        "ratio": st.sampled_from([1, "1/2", 2]),
        "groups": st.sampled_from([1, 2, 4]),
        "reduce": st.sampled_from([1, 2]),
        "stride_at": st.sampled_from([1, 2]),
        "attention": st.sampled_from(attention),
        "antialias": st.sampled_from(smoothing),
        "regularize": st.just({"op": "drop_block", "rate": 0.1, "size": 3}),
        "dropout": st.sampled_from([0, 0.3]),
        "scale": st.sampled_from([2, 4]),
        "radix": st.sampled_from([2, 4]),
        "kernels": st.sampled_from([[3, 5], [3, 3, 5], [5, 3]]),
        "split": st.booleans(),
    }


def norms() -> st.SearchStrategy[Any]:
    """What a norm may be: a word or an object."""
    return st.sampled_from(
        [
            "batch",
            "layer",
            "none",
            {"type": "group", "groups": 4},
            {"type": "group", "groups": 2, "affine": False},
            {"type": "batch", "eps": 1e-3, "affine": False},
            {"type": "layer", "eps": 1e-6},
        ]
    )


def acts() -> st.SearchStrategy[Any]:
    """Any activation."""
    return st.sampled_from([*ACTIVATIONS, "none"]) | st.sampled_from(
        [
            {"type": "gelu", "approximate": True},
            {"type": "leaky_relu", "slope": 0.2},
            {"type": "hardsigmoid", "gain": 0.2, "offset": 0.25},
        ]
    )


def shortcuts(*, widens: bool) -> st.SearchStrategy[Any]:
    """A preset that fits any change of shape, or fields of one."""
    fitting = [*PROJECTIONS, *(["zero-pad"] if widens else [])]
    factors = [0.5, "1/3", ["layer_scale"], ["skip_init"], ["rezero"]]
    fields = said(
        when=st.sampled_from(["shape", "always"]),
        merge=st.sampled_from(["add", "if-same"]),
        tap=st.sampled_from(["input", "pre"]),
        scale=st.sampled_from(factors),
    )
    preset = st.sampled_from([*fitting, "preact", "concat", "none"])
    return preset | st.tuples(st.sampled_from(fitting), fields).map(
        lambda drawn: {"project": drawn[0], **drawn[1]}
    )


@st.composite
def stems(draw: st.DrawFn, axes: int) -> Any:
    """A built-in stem or a convolution of one's own."""
    name = draw(st.sampled_from(["cifar", "imagenet", "deep", "imagenet_preact", "op"]))
    smoothing = ["avg_aa"] + (["blur"] if axes == 2 else [])
    width = st.sampled_from(WIDTHS)
    given = {
        "cifar": said(preact=st.booleans()),
        "imagenet": said(
            pool=st.sampled_from(["max", "avg", "conv", "none"]),
            antialias=st.sampled_from(smoothing),
        ),
        "deep": said(
            pool=st.sampled_from(["max", "avg", "conv", "none"]),
            antialias=st.sampled_from(smoothing),
        ),
        "imagenet_preact": said(),
    }
    if name == "op":
        kernel = draw(st.integers(1, 5))
        strides = st.integers(1, 3)
        stride = draw(strides | st.lists(strides, min_size=axes, max_size=axes))
        bias = draw(st.booleans())
        return {"op": "conv", "out": 16, "kernel": kernel, "stride": stride,
                "bias": bias, "as": "conv"}  # fmt: skip
    own = (
        {"widths": [16, 16, draw(width)]} if name == "deep" else {"width": draw(width)}
    )
    return {"use": name, "with": own | draw(given[name])}


@st.composite
def stages(draw: st.DrawFn, axes: int, index: int) -> Json:
    """A stage of any block; ``index`` is how many came before."""
    first = index == 0
    pooled = ("resnest_bottleneck", "res2net_bottleneck") if axes == 3 else ()
    names = [name for name in (*STRIDED, "convnext") if name not in pooled]
    name = draw(st.sampled_from(names))
    stage: Json = {"block": name, "width": draw(st.sampled_from(WIDTHS))}
    stage["depth"] = draw(st.integers(1, 2))
    if draw(st.booleans()):
        stage["stride"] = draw(st.integers(1, 2 if first else 3))
    if not first and draw(st.booleans()):
        stage["dilate"] = True
    stage |= draw(said(norm=norms(), act=acts()))
    if name == "convnext":
        stage["entry"] = "convnext_entry"
        stage["kernel"] = draw(st.sampled_from([3, 5]))
        stage["scale"] = 0.5
        stage["stride"] = (1, 2, 1)[index]  # its kernel is no larger than the map
        return stage
    chosen = parameters(axes)
    stage |= draw(said(**{key: chosen[key] for key in STRIDED[name]}))
    if "groups" in stage:
        stage["ratio"] = 1  # so that groups divide every width
    if name == "res2net_bottleneck":
        stage["ratio"] = "1/4"
    if name == "sk_bottleneck":
        # Each path takes the same number of the channels that enter.
        stage["kernels"] = [3, 5] if stage.get("split") else stage.get("kernels")
    widens = first and stage["width"] == max(WIDTHS)
    stage["shortcut"] = draw(shortcuts(widens=widens))
    if stage.get("antialias") == "avg_aa":
        stage["shortcut"] = "none"
        stage["stride"] = (1, 2, 1)[index]
    if name in TAKES_ZERO_INIT:
        stage |= draw(said(zero_init=st.booleans(), drop_path_rate=st.just(0.2)))
    return stage


@st.composite
def specs(draw: st.DrawFn) -> Json:
    """A small network that has no mistake, on signals, pictures or volumes."""
    axes = draw(st.sampled_from([2, 2, 2, 2, 1, 3]))
    size = st.integers(15, 33) if axes < 3 else st.integers(15, 17)
    sizes = draw(st.lists(size, min_size=axes, max_size=axes))
    if axes == 2 and draw(st.integers(0, 19)) == 19:
        sizes = [225, 225]
    count = draw(st.integers(1, 3))
    made: Json = {
        "resgen": 1,
        "name": "drawn",
        "input": [draw(st.integers(1, 4)), *sizes],
        "stem": draw(stems(axes)),
        "stages": [draw(stages(axes, i)) for i in range(count)],
        "head": draw(
            st.sampled_from(
                [{"classes": 7}, {"use": "preact_classifier", "with": {"classes": 5}}]
            )
        ),
    }
    defaults = draw(
        said(
            norm=norms(),
            act=acts(),
            conv=said(standardize=st.just(True), bias=st.just(True)),
        )
    )
    return made | {"defaults": defaults}
