"""Kernels timed for real, of networks that take no time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

import resgen
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.latency import measure
from resgen.latency.kernels import runs
from resgen.latency.measure import Looked, Recorder, charged, written
from resgen.latency.table import Conditions, Network, load
from resgen.records.profile import OperatorTime

HERE = Conditions("onnxruntime", "1.30", "cpu", "a processor", 1, 1)


@pytest.fixture
def graph() -> Graph:
    return resgen.expand(resgen.load("resnet20_cifar", ["/input=[3,16,16]"]))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_a_network_is_timed_once_and_its_table_gone_on_with(
    graph: Graph, tmp_path: Path, runtime: str
) -> None:
    path, here = tmp_path / "table.json", replace(HERE, runtime=runtime)
    found = Recorder(path, here).time(graph)
    assert isinstance(found, Network)
    assert found.seconds > 0
    kernels = load(path).record.kernels
    spent = {kernels[at]: seconds for at, seconds in found.kernels}
    # Whatever the engine fused, each convolution has its time.
    assert min(spent[kernel] for kernel in spent if kernel.kind == "conv") > 0
    again = Recorder(path, here)
    assert again.time(graph) is None
    assert len(again.done().record.networks) == 1


@pytest.mark.parametrize("last", ["conv3", "downsample.0"])
def test_an_addition_is_charged_to_the_branch_that_an_engine_puts_it_to(
    last: str,
) -> None:
    """Both convolutions cost the same, and either may be the one that runs last."""
    network = resgen.expand(resgen.load("resnet50"))
    ran = runs(network)
    took = {"layer1.0.conv3": 3e-3, "layer1.0.downsample.0": 1e-3}
    operators = [
        OperatorTime(
            name,
            "Conv",
            seconds,
            (name, "layer1.0.add") if name.endswith(last) else (name,),
        )
        for name, seconds in took.items()
    ]
    spent = charged(network, ran, Looked(0.01, tuple(operators), ()))
    places = {run.nodes[0].name: at for at, run in enumerate(ran)}
    assert {name: spent[places[name]] for name in took} == took
    assert sum(spent) == sum(took.values())


def test_what_an_engine_splits_at_once_is_shared() -> None:
    network = resgen.expand(resgen.load("shufflenet_v2_x1_0"))
    ran = runs(network)
    halves = [at for at, run in enumerate(ran) if run.kernel.kind == "slice"][:2]
    names = tuple(ran[at].nodes[0].name for at in halves)
    spent = charged(
        network, ran, Looked(1.0, (OperatorTime("s", "Split", 2.0, names),), ())
    )
    assert [spent[at] for at in halves] == [1.0, 1.0]


def test_times_of_other_conditions_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    Recorder(path, HERE).done()
    with pytest.raises(ResgenError, match=r"1 thread, .* not of .* 2 threads"):
        Recorder(path, replace(HERE, threads=2))


def test_a_growing_table_is_written_at_times_and_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def looked(*_: object) -> Looked:
        return Looked(0.01, (OperatorTime("conv1", "Conv", 1e-3, ("conv1",)),), ())

    monkeypatch.setattr(measure, "looked", looked)
    path = tmp_path / "table.json"
    recorder = Recorder(path, HERE)
    for at, size in enumerate((64, 96, 128)):
        changes = [f"/input=[3,{size},{size}]"]
        recorder.time(resgen.expand(resgen.load("resnet18", changes)))
        assert len(load(path).record.networks) == 1, at
    recorder.table()
    assert len(load(path).record.networks) == 3


def test_conditions_are_words() -> None:
    told = str(Conditions("litert", "2.3", "cpu", "a processor", 2, 8))
    assert told == "litert 2.3 on a processor, 2 threads, batch 8, fp32"


def test_what_is_timed_in_8_bits_runs_the_kernels_of_a_calibrated_file(
    tmp_path: Path,
) -> None:
    """ReLU6 among them, which is nothing where 8 bits reach no further than 6."""
    spec = resgen.load("mobilenetv2_050", ["/input=[3, 32, 32]"])
    resgen.export(spec, tmp_path, precision="int8", verify=False)
    with written(resgen.expand(spec), precision="int8") as prepared:
        assert prepared.model is not None
        assert kinds(prepared.model) == kinds(tmp_path / "model.onnx")


def kinds(file: Path) -> Counter[str]:
    """The kernels that ONNX Runtime runs of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(file.with_suffix(".optimized.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(options.optimized_model_filepath).graph
    return Counter(node.op_type for node in graph.node)
