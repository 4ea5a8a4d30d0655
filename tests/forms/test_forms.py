"""Adding a form is one file: a trial, in a package of the test's own."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

import resgen
from resgen import forms
from resgen.cli import main
from resgen.errors import ResgenError, UsageError
from tests.manifests import resealed
from tests.small_subject import find_stand_ins

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}
#: A form as somebody would add it: the ONNX file with its weights as text beside it.
SOURCE = '''
"""The ONNX file as text."""

from dataclasses import dataclass

from resgen.artifact.form import Form
from resgen.options.group import Group, option
from resgen.options.kinds import whole


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """How the text is."""

    indent_by: int = option("--indent-by", whole(0), "How far.", default=1)


def text(ready, indent):
    import onnx
    from google.protobuf.json_format import MessageToJson

    model = onnx.load(ready.model, load_external_data=False)
    return MessageToJson(model, indent=indent).encode()


def prepare(options, job):
    from hashlib import sha256

    def make(ready):
        content = text(ready, options.indent_by)
        (ready.folder / "model.txt").write_bytes(content)
        job.progress.say("text", f"{len(content)} bytes")
        hashed = {"model.txt": sha256(content).hexdigest()}
        return hashed, {"indent": options.indent_by}

    return make


def verify(ready, made, progress):
    from resgen.errors import ResgenError

    if (ready.folder / "model.txt").read_bytes() != text(ready, made["indent"]):
        raise ResgenError("model.txt is not the text of model.onnx")
    progress.say("text", "not run: it is there to be read")
    return {"text": None}


FORM = Form(
    "the file as text", Options, prepare, verify, opens={"text": "model.txt"}
)
'''
#: Another, which is made of the graph and run by what proves it.
OF_GRAPH = '''
"""The network as PyTorch's module."""

from dataclasses import dataclass

from resgen.artifact.form import Form
from resgen.options.group import Group


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """It has none."""


def prepare(options, job):
    def make(ready):
        import torch

        from resgen.files.hashed import sha256_of
        from resgen.lower.torch import to_torch

        path = ready.folder / "module.pt"
        torch.save(to_torch(ready.graph, ready.weights).eval(), path)
        return {path.name: sha256_of(path)}, {}

    return make


def verify(ready, made, progress):
    import numpy as np
    import torch

    from resgen.errors import ResgenError

    module = torch.load(ready.folder / "module.pt", weights_only=False)
    feeds, expected = ready.trial(2)
    with torch.no_grad():
        found = module(*map(torch.from_numpy, feeds.values())).numpy()
    (wanted,) = expected.values()
    share = float(np.abs(found - wanted).max() / np.ptp(wanted))
    if share > ready.tolerance:
        raise ResgenError("module.pt computes something else")
    return {"module": {"largest": share}}


FORM = Form("PyTorch's module", Options, prepare, verify, of_file=False)
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Two new files, in a folder that the package looks into."""
    home = tmp_path / "added"
    home.mkdir()
    (home / "text.py").write_text(SOURCE)
    (home / "module.py").write_text(OF_GRAPH)
    monkeypatch.setattr(forms, "__path__", [*forms.__path__, str(home)])
    ours = ("resgen.forms.text", "resgen.forms.module", "resgen.cli.export")
    for name in ours:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    yield tmp_path
    for name in ours:
        sys.modules.pop(name, None)


def run(*words):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert not isinstance(result.exception, AssertionError)
    return result


def test_a_form_is_found_by_its_file(added):
    assert "text" in forms.names()
    told = run("export", "--help").output
    assert "text, the file as text" in " ".join(told.split())
    assert "For text: How far." in told


@pytest.mark.slow
def test_it_is_exported_proven_and_profiled(added, monkeypatch):
    made = run("export", "small.json", "--to", "text", "--indent-by", 2, "-o", "out")
    assert made.exit_code == 0, made.output
    manifest = json.loads((added / "out" / "manifest.json").read_text())
    assert (manifest["form"], manifest["made"]) == ("text", {"indent": 2})
    assert "model.txt" in manifest["files"]
    proven = run("verify", "out")
    assert proven.exit_code == 0, proven.output
    assert "out/model.onnx is proven; not run: text" in proven.output
    find_stand_ins(monkeypatch)
    measured = run(
        "profile", "out", "--runtime", "onnxruntime",
        "--runtime", "stand_in_engines.reading",
        "--time", 0.2, "--no-operators", "-o", "report",
    )  # fmt: skip
    assert measured.exit_code == 0, measured.output
    runs = json.loads((added / "report" / "report.json").read_text())["runs"]
    by_name = {run["runtime"]: run for run in runs}
    size = (added / "out" / "model.txt").stat().st_size
    assert by_name["stand_in_engines.reading"]["model_bytes"] == size
    assert not by_name["onnxruntime"]["error"]


@pytest.mark.slow
def test_what_no_form_has_made_is_not_opened(added, monkeypatch):
    find_stand_ins(monkeypatch)
    resgen.build(SPEC, "plain", verify=False)
    with pytest.raises(ResgenError, match="has nothing for Reading here"):
        resgen.profile("plain", runtime="stand_in_engines.reading", time=0.2)


def test_from_python_it_takes_its_own_options(added):
    made = resgen.export(SPEC, "out", to="text", indent_by=4, verify=False)
    assert made.manifest.made == {"indent": 4}
    model = resgen.export("out/model.onnx", "again", to="text")
    assert model.manifest.source == "model.onnx"
    with pytest.raises(UsageError, match='no option "indent_by"'):
        resgen.export(SPEC, "other", to="onnx", indent_by=4)
    with pytest.raises(UsageError, match=r"indent_by.*whole number"):
        resgen.export(SPEC, "other", to="text", indent_by="far")


def test_its_own_proof_is_asked(added):
    resgen.export(SPEC, "out", to="text")
    assert resgen.verify("out").unproven == ("text",)
    (added / "added" / "text.py").unlink()
    with pytest.raises(ResgenError, match="has the form text, which this resgen"):
        resgen.verify("out")


@pytest.mark.slow
def test_a_form_of_the_graph_is_run_by_its_proof(added):
    made = resgen.export(SPEC, "out", to="module")
    found = resgen.verify("out")
    assert found.unproven == ()
    assert found.record["module"]["largest"] < 1e-5
    # A file is read back as a network first.
    again = resgen.export("out/model.onnx", "again", to="module")
    assert again.manifest.weights == "model.onnx"
    # Another network's module, in a folder whose hashes fit, is no module of this one.
    (added / "out" / "module.pt").unlink()
    other = resgen.export(SPEC, "other", to="module", seed=1)
    assert made.manifest.files["module.pt"] != other.manifest.files["module.pt"]
    (other.folder / "module.pt").rename(added / "out" / "module.pt")
    manifest = json.loads((added / "out" / "manifest.json").read_text())
    entry = other.manifest.files["module.pt"]
    manifest["files"]["module.pt"] = {"bytes": entry.bytes, "sha256": entry.sha256}
    resealed(added / "out" / "manifest.json", manifest)
    with pytest.raises(ResgenError, match=r"module\.pt"):
        resgen.verify("out")


def test_no_unknown_form_is_taken_for_another(tmp_path):
    with pytest.raises(UsageError, match='no form "trition"; did you mean "triton"'):
        resgen.export(SPEC, tmp_path / "out", to="trition")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_keeps_its_precision(tmp_path):
    """Exported once more it is the same file, bit for bit, to whatever form."""
    first = resgen.export(SPEC, tmp_path / "a", precision="int8", seed=3, batch=2)
    second = resgen.export(tmp_path / "a", tmp_path / "b", to="triton")
    assert second.manifest.precision == first.manifest.precision
    assert second.manifest.calibration == first.manifest.calibration
    whole = (tmp_path / "a" / "model.onnx").read_bytes()
    assert (tmp_path / "b" / "model.onnx").read_bytes() == whole
    served = tmp_path / "b" / "repository" / "small" / "1" / "model.onnx"
    assert served.read_bytes() == whole


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_low_precision_is_kept(tmp_path, precision):
    resgen.export(SPEC, tmp_path / "a", precision=precision, verify=False)
    resgen.export(tmp_path / "a", tmp_path / "b", verify=False)
    kinds = [
        {t.data_type for t in onnx.load(tmp_path / n / "model.onnx").graph.initializer}
        for n in ("a", "b")
    ]
    assert kinds[0] == kinds[1] != {onnx.TensorProto.FLOAT}


def test_quantisers_that_would_lie_elsewhere_are_refused(tmp_path):
    resgen.export(SPEC, tmp_path / "a", precision="int8", verify=False)
    with pytest.raises(UsageError, match="placed for onnxruntime") as refused:
        resgen.export(tmp_path / "a", tmp_path / "b", to="tensorrt", target="sm_89")
    assert "calibration" in (refused.value.hint or "")
    assert not (tmp_path / "b").exists()
    # Another precision is asked for by name, and is made of the weights.
    made = resgen.export(tmp_path / "a", tmp_path / "b", precision="fp32")
    stored = load_file(tmp_path / "a" / "weights.safetensors")
    weights = {name: v for name, v in stored.items() if ".quantize." not in name}
    model = resgen.to_torch(resgen.expand(resgen.load(SPEC)), weights).eval()
    import torch

    x = np.random.default_rng(0).standard_normal((1, 3, 16, 16), np.float32)
    session = onnxruntime.InferenceSession(made.folder / "model.onnx")
    (found,) = session.run(None, {"input": x})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(torch.from_numpy(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("to", "needs"),
    [("onnx", "torch"), ("python", "torch"), ("keras", "keras"),
     ("litert", "ai_edge_litert")],
)  # fmt: skip
def test_a_network_that_computes_and_learns_nothing_is_one(to, needs, tmp_path):
    """What is taken over the operators and parameters of a network may be of none."""
    pytest.importorskip(needs)
    spec = {"resgen": 1, "name": "nothing", "input": [3, 8, 8], "stem": [],
            "stages": [], "head": []}  # fmt: skip
    whole = resgen.export(spec, tmp_path / "whole", to=to)
    assert resgen.verify(whole.folder)
    weights = tmp_path / "whole/weights.safetensors"
    again = resgen.export(spec, tmp_path / "again", to=to, weights=weights)
    assert (again.folder / "spec.json").read_bytes() == (
        whole.folder / "spec.json"
    ).read_bytes()
    with pytest.raises(ResgenError, match="no convolution and no linear map"):
        resgen.shrink(spec, macs="0.5x")
