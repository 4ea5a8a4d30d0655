"""Attention in windows beside torchvision's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import resgen

pytestmark = pytest.mark.peers


def windowed(size: list[int], shift: list[int]) -> dict[str, Any]:
    """Attention in four heads among the windows of a map of 8 x 12, its channels 16."""
    moved = {"size": size, "shift": shift}
    parts = {"for": "i", "in": 3, "body": [
        {"from": "qkv"},
        {"op": "slice", "start": "i * channels", "size": "channels"}]}  # fmt: skip
    return {
        "resgen": 1,
        "name": "windowed",
        "input": [16, 8, 12],
        "stem": [
            {"op": "windows", **moved},
            {"name": "windows"},
            {"op": "relative_position", "as": "relative_position_bias_table",
             "size": size, "heads": 4},
            {"op": "window_mask", "like": "input", **moved},
            {"name": "pairs"},
            {"from": "windows", "op": "linear", "as": "qkv", "out": 48},
            {"name": "qkv"},
            {"list": parts, "name": "each"},
            {"from": "each[0]", "op": "attention", "keys": "each[1]",
             "values": "each[2]", "heads": 4, "bias": "pairs"},
            {"op": "linear", "as": "proj", "out": 16},
            {"op": "unwindows", "like": "input", **moved}],
        "stages": [],
        "head": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("size", "shift"), [([4, 4], [0, 0]), ([4, 4], [2, 2]), ([2, 3], [1, 1])]
)
def test_windows_attend_as_torchvisions_do(size, shift, peers):
    from torchvision.models.swin_transformer import ShiftedWindowAttention

    torch.manual_seed(0)
    theirs = ShiftedWindowAttention(16, size, shift, 4).eval()
    torch.nn.init.normal_(theirs.relative_position_bias_table)
    held = {name: p.detach().numpy() for name, p in theirs.named_parameters()}
    graph = resgen.expand(resgen.load(windowed(size, shift)))
    ours = resgen.to_torch(graph, held).eval()
    x = torch.randn(2, 16, 8, 12)
    with torch.no_grad():
        wanted = theirs(x.movedim(1, -1)).movedim(-1, 1)
        torch.testing.assert_close(ours(x), wanted)
