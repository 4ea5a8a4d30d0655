"""torchinfo.summary of a model at hand: parameters and MACs, by running it."""

from __future__ import annotations

from clock import report
from peers import timm
from torchinfo import summary

model = timm.create_model("resnet50").eval()
report(lambda: summary(model, (1, 3, 224, 224), verbose=0), times=7, warm=2)
