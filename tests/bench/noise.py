"""Sixteen inputs of noise, as an .npz that ranges are taken from.

python noise.py OUT.npz
"""

from __future__ import annotations

import sys

import numpy as np

noise = np.random.default_rng(0).standard_normal((16, 3, 224, 224), np.float32)
np.savez(sys.argv[1], inputs=noise)
