"""torch's FlopCounterMode on the meta device, the model's construction included."""

from __future__ import annotations

import torch
from clock import report
from peers import timm
from torch.utils.flop_counter import FlopCounterMode


def count() -> tuple[int, int]:
    with torch.device("meta"):
        model = timm.create_model("resnet50").eval()
        image = torch.empty(1, 3, 224, 224)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() // 2, sum(p.numel() for p in model.parameters())


report(count, times=7, warm=2)
