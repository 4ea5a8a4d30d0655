"""The weights of keras.applications in the networks that have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import resgen
from resgen.errors import ResgenError
from resgen.weights.checkpoint import fit

keras = pytest.importorskip("keras")

#: Networks of the zoo, and the side of the smallest picture that both take.
PAIRS: dict[str, tuple[str, int]] = {
    "DenseNet121": ("keras_densenet121", 64),
    "DenseNet169": ("keras_densenet169", 64),
    "DenseNet201": ("keras_densenet201", 64),
    "InceptionV3": ("keras_inception_v3", 139),
    "MobileNet": ("keras_mobilenet", 96),
    "MobileNetV2": ("keras_mobilenetv2", 71),  # which steps over odd sizes, too
    "ResNet50": ("keras_resnet50", 64),
    "ResNet101": ("keras_resnet101", 64),
    "ResNet152": ("keras_resnet152", 64),
    "ResNet50V2": ("keras_resnet50v2", 64),
    "ResNet101V2": ("keras_resnet101v2", 64),
    "ResNet152V2": ("keras_resnet152v2", 64),
    "Xception": ("keras_xception", 71),
    "VGG16": ("vgg16", 224),
    "VGG19": ("vgg19", 224),
    **{f"EfficientNetB{n}": (f"keras_efficientnet_b{n}", 75) for n in range(8)},
}
#: Those that stand for their family in all but a soak.
USUAL = ("DenseNet121", "EfficientNetB0", "MobileNetV2", "ResNet50V2")


def application(name: str, size: int, **options: Any) -> Any:
    """A network of Keras's with unlike weights, and no softmax.

    Statistics are those of a batch: of others the deepest would tell nothing, since
    their float32 is not near their float64.
    """
    keras.utils.set_random_seed(0)
    shape = (size, size, 3)
    model = getattr(keras.applications, name)(
        weights=None, classifier_activation=None, input_shape=shape, **options
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.path.endswith("gamma"):
                variable.assign(rng.uniform(0.2, 0.6, variable.shape))
            elif len(variable.shape) == 1 and layer.trainable_variables:
                variable.assign(0.1 * rng.standard_normal(variable.shape))
    kind = keras.layers.BatchNormalization
    if norms := [layer for layer in model.layers if isinstance(layer, kind)]:
        for norm in norms:
            norm.momentum = 0.0
        batch = pixels(name, rng.standard_normal((8, *shape), np.float32))
        with torch.no_grad():
            model(batch, training=True)
    return model


def pixels(name: str, x: Any) -> Any:
    """The input of a network; EfficientNet divides it, which is our "preprocess"."""
    return 255 * x if name.startswith("EfficientNet") else x


@pytest.mark.slow
@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    "name",
    [n if n in USUAL else pytest.param(n, marks=pytest.mark.soak) for n in PAIRS],
)
def test_its_weights_compute_the_same(name: str) -> None:
    ours, size = PAIRS[name]
    graph = resgen.expand(resgen.load(ours, [f"/input=[3, {size}, {size}]"]))
    model = application(name, size)
    weights = resgen.renamed(resgen.from_keras(model), graph)
    x = np.random.default_rng(1).standard_normal((2, size, size, 3), np.float32)
    with torch.no_grad():
        module = resgen.to_torch(graph, weights).eval()
        given = torch.from_numpy(x).permute(0, 3, 1, 2)
        rounded = module(given).numpy()
        exact = module.double()(given.double()).numpy()
    scale = np.abs(exact).max()
    # Keras rounds as PyTorch does, which in the deepest comes to more.
    rounding = np.abs(rounded - exact).max() / scale
    assert rounding < 1e-3
    found = model.predict(pixels(name, x), verbose=0)
    near = max(1e-5, 4 * rounding)
    np.testing.assert_allclose(found, exact, rtol=0, atol=near * scale)


@pytest.mark.slow
def test_a_head_of_other_classes_is_named_with_a_mend(tmp_path: Path) -> None:
    """As the head of one's own is, on a base that was tuned; both build as they are."""
    base = application("MobileNet", 96, include_top=False)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(base.output)
    x = keras.layers.Conv2D(5, 1, name="conv_preds")(x)
    model = keras.Model(base.input, keras.layers.Flatten()(x))
    spec = ["/input=[3, 96, 96]"]
    with pytest.raises(ResgenError) as refused:
        resgen.build(
            resgen.load("keras_mobilenet", spec), tmp_path / "no",
            state_dict=resgen.from_keras(model),
        )  # fmt: skip
    said = str(refused.value)
    assert "conv_preds.weight is 5 x 1024 x 1 x 1, the network has 1000 x" in said
    spec.append("/head/2/out=5")
    graph = resgen.expand(resgen.load("keras_mobilenet", spec))
    within = keras.Sequential([model])  # as a model that is tuned often lies
    module = resgen.to_torch(graph, resgen.from_keras(within)).eval()
    batch = np.random.default_rng(0).standard_normal((2, 96, 96, 3), np.float32)
    with torch.no_grad():
        found = module(torch.from_numpy(batch).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(found, model.predict(batch, verbose=0), atol=5e-5)


def test_a_network_that_pads_otherwise_does_not_take_its_weights() -> None:
    state = resgen.from_keras(application("MobileNetV2", 32))
    assert resgen.renamed(state, resgen.expand(resgen.load("keras_mobilenetv2")))
    plain = resgen.expand(resgen.load("mobilenetv2_100"))
    for take in (resgen.renamed, fit):
        with pytest.raises(ResgenError, match="the state_dict") as refused:
            take(state, plain)
        assert refused.value.hint == (
            "they are named as MobileNetV2 in keras.applications, whose weights "
            "keras_mobilenetv2 takes"
        )


def test_what_no_operator_has_is_refused_by_its_layer() -> None:
    layer = keras.layers.Embedding(4, 3, name="middle")
    model = keras.Sequential([keras.Input((4,)), layer])
    with pytest.raises(ResgenError, match="weights of middle, a Embedding"):
        resgen.from_keras(model)


def test_layers_that_keras_named_are_counted_from_the_models_first() -> None:
    def names() -> list[str]:
        seen = keras.Input((4, 4, 3))
        y = keras.layers.Conv2D(2, 3)(keras.layers.Conv2D(2, 1)(seen))
        return [*resgen.from_keras(keras.Model(seen, y))]

    assert names() == names()
    assert "conv2d_1.weight" in names()
