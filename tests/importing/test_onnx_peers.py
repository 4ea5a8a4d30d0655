"""Networks of timm and torchvision by both of torch's exporters, proven; a table."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from shaken import shake
from torch import nn

import resgen
from resgen.graph.identity import identity
from resgen.proof.compare import Departure

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore")]
SEED, DRAWN = 13, 100
#: Networks that are drawn have at most so many parameters.
MOST = 30_000_000


def drawn(peers: ModuleType) -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
    models = peers.torchvision.models
    own = [("torchvision", name) for name in models.list_models(models)]
    names = sorted(own + [("timm", name) for name in peers.timm.list_models()])
    random.Random(SEED).shuffle(names)
    left = DRAWN
    for library, name in names:
        make = models.get_model if library == "torchvision" else peers.timm.create_model
        with torch.device("meta"):
            try:
                size = sum(p.numel() for p in make(name).parameters())
            except (NotImplementedError, RuntimeError):  # made of real numbers alone
                continue
        if size > MOST or not left:
            continue
        left -= 1
        torch.manual_seed(0)
        module = make(name).eval()
        shake(module)  # exporters leave out, and store once, what changes nothing
        config = getattr(module, "pretrained_cfg", {})
        yield f"{library}:{name}", module, config.get("input_size", (3, 224, 224))


def test_drawn_networks_are_equal_and_of_one_graph(
    peers: ModuleType, tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    path = tmp_path / "net.onnx"
    for name, module, shape in drawn(peers):
        graphs = set()
        for dynamo in (False, True):
            x = torch.zeros(1, *shape)
            more = {"external_data": False} if dynamo else {"opset_version": 17}
            try:
                torch.onnx.export(module, (x,), path, dynamo=dynamo, **more)
            except Exception as error:  # of what torch cannot export nothing is told
                print(f"{name:44} not exported: {type(error).__name__}")
                continue
            began, why = time.perf_counter(), ""
            try:
                spec, _ = resgen.from_onnx(path)
            except Departure as error:
                told, why = "wrong", error.message
            except resgen.ResgenError as error:
                told, why = "refused", error.message
            else:
                told = "equal"
                graphs.add(identity(resgen.expand(spec)))
            found[told] += 1
            seconds = time.perf_counter() - began
            print(f"{name:44} {told:8} {seconds:5.1f} s  {why[:200]}", flush=True)
        found["of several graphs"] += len(graphs) > 1
    print(found)
    assert not found["wrong"]
    read = found["equal"] + found["refused"]
    assert found["equal"] >= 0.95 * read
    assert found["of several graphs"] <= 0.2 * DRAWN
