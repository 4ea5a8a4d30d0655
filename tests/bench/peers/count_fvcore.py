"""fvcore's FlopCountAnalysis of a model at hand, by tracing; parameters beside it."""

from __future__ import annotations

import logging

import torch
from clock import report
from fvcore.nn import FlopCountAnalysis, parameter_count
from peers import timm

logging.getLogger("fvcore").setLevel(logging.ERROR)
model = timm.create_model("resnet50").eval()
image = torch.randn(1, 3, 224, 224)


def count() -> tuple[int, int]:
    return FlopCountAnalysis(model, image).total(), parameter_count(model)[""]


report(count, times=7, warm=2)
