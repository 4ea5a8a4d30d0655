"""Layers that Keras has none of; a model with one is opened after importing this.

import resgen.lower.keras.own, keras

model = keras.models.load_model("model.keras")
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="resgen")
class Parameter(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A trainable tensor, whatever it is given: scales of channels, class tokens."""

    def __init__(self, shape: Any, initializer: Any = "zeros", **config: Any) -> None:
        super().__init__(**config)
        self.shape = tuple(shape)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.value = self.add_weight(
            name="value", shape=self.shape, initializer=self.initializer
        )

    def call(self, inputs: Any) -> Any:
        return ops.convert_to_tensor(self.value)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        start = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "shape": self.shape, "initializer": start}


@keras.saving.register_keras_serializable(package="resgen")
class DropBlock(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """In training, zero regions of the map in all channels; Ghiasi et al. 2018.

    As :class:`resgen.lower.modules.DropBlock`, channels last.
    """

    def __init__(self, rate: float, size: int, **config: Any) -> None:
        super().__init__(**config)
        self.rate, self.size = rate, size
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        batch, *spatial, _ = ops.shape(inputs)
        sizes = tuple(min(self.size, n) for n in inputs.shape[1:-1])
        share = self.rate
        for whole, size in zip(inputs.shape[1:-1], sizes, strict=True):
            share *= whole / (size * (whole - size + 1))
        drawn = keras.random.uniform((batch, *spatial, 1), seed=self.seeds)
        seeds = ops.cast(drawn < share, inputs.dtype)
        dropped = ops.max_pool(seeds, sizes, strides=1, padding="same")
        kept = 1 - dropped
        return inputs * kept / ops.maximum(ops.mean(kept), 1e-6)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "size": self.size}


@keras.saving.register_keras_serializable(package="resgen")
class GroupedConv(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A convolution in groups by a kernel that is computed, channels last.

    The groups follow from the sizes of both, as ``keras.ops.conv`` computes them but
    does not foresee.
    """

    def __init__(
        self, strides: Any, padding: str, dilation_rate: Any, **config: Any
    ) -> None:
        super().__init__(**config)
        self.said = {
            "strides": tuple(strides),
            "padding": padding,
            "dilation_rate": tuple(dilation_rate),
        }

    def call(self, inputs: Any, kernel: Any) -> Any:
        return ops.conv(inputs, kernel, data_format="channels_last", **self.said)

    def compute_output_spec(self, inputs: Any, kernel: Any) -> Any:
        *sizes, _, outputs = kernel.shape
        whole = keras.KerasTensor((*sizes, inputs.shape[-1], outputs))
        return ops.conv(inputs, whole, data_format="channels_last", **self.said)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.said}
