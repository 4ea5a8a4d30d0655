"""A LiteRT file by litert-torch, of a network of torchvision; its input is NHWC.

python convert_torch.py NAME OUT
"""

from __future__ import annotations

import sys

import litert_torch
import torch
from peers import torchvision

name, out = sys.argv[1:]
model = getattr(torchvision.models, name)(weights=None).eval()
for parameter in model.parameters():
    if parameter.ndim == 1:  # numbers that are equal would be stored once
        torch.nn.init.uniform_(parameter, 0, 0.1)
model = litert_torch.to_channel_last_io(model, args=[0])
litert_torch.convert(model, (torch.zeros(1, 224, 224, 3),)).export(out)
