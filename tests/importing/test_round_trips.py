"""From a spec to a file or a module, and back again to the same network."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph

#: Small ones of different families.
NAMES = [
    "resnet20_cifar", "resnet18", "seresnet50", "densenet121", "mobilenetv2_100",
    "regnety_004", "convnext_atto", "resnet56_cifar", "shufflenet_v2_x0_5",
    "resnext50_32x4d", "repvgg_a0", "vgg11",
]  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.drawn(2)]


def stages(graph: Graph) -> list[int]:
    return [s.blocks for s in graph.sections if s.kind == "stage"]


@pytest.mark.parametrize("name", NAMES)
def test_through_a_plain_file_of_torch(name: str, tmp_path: Path) -> None:
    spec = resgen.load(name)
    graph = resgen.expand(spec)
    (tmp_path / "written.py").write_text(resgen.to_python(graph), "utf-8")
    found = spec_from_file_location("written", tmp_path / "written.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    *_, network = (
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, torch.nn.Module)
        if each.__module__ == "written"
    )
    again, _ = resgen.from_torch(network(), spec.input, verify=False)
    assert identity(resgen.expand(again)) == identity(graph.inference)


@pytest.mark.parametrize("name", NAMES)
def test_through_a_file_with_its_norms(name: str, tmp_path: Path) -> None:
    """Blocks are found again where the file has what the spec says."""
    graph = resgen.expand(resgen.load(name))
    resgen.build(name, tmp_path / "a", verify=False, keep_batchnorm=True)
    spec, weights = resgen.from_onnx(tmp_path / "a/model.onnx", name=name, verify=False)
    found = resgen.expand(spec)
    assert found.params == graph.params
    if name not in ("vgg11", "repvgg_a0", "shufflenet_v2_x0_5"):
        assert stages(found)[-3:] == stages(graph)[-3:]
    kept = {"verify": False, "keep_batchnorm": True}
    resgen.build(spec, tmp_path / "b", state_dict=weights, **kept)
    again, _ = resgen.from_onnx(tmp_path / "b/model.onnx", name=name, verify=False)
    assert identity(resgen.expand(again)) == identity(found)
