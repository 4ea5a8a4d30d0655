"""A LiteRT file by TensorFlow's converter, of a network of keras.applications.

python convert.py NAME PRECISION INPUTS.npz OUT
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

name, precision, inputs, out = sys.argv[1:]
# Scores, as resgen's file gives them, and no softmax behind them.
make = getattr(tf.keras.applications, name)
model = make(weights=None, classifier_activation=None)
random = np.random.default_rng(0)
# Fresh biases are 0, and numbers that are equal would be stored once.
model.set_weights(
    [
        w + random.uniform(0, 0.1, w.shape) if w.ndim == 1 else w
        for w in model.get_weights()
    ]
)
converter = tf.lite.TFLiteConverter.from_keras_model(model)
if precision == "int8":
    pictures = np.load(inputs)["inputs"].transpose(0, 2, 3, 1)

    def represented() -> Iterator[list[np.ndarray]]:
        for picture in pictures:
            yield [picture[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = represented
Path(out).write_bytes(converter.convert())
