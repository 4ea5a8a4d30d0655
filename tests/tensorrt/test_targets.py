"""What engines are built for, and who builds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import resgen
from resgen.errors import MissingComponent, UsageError
from resgen.machine.device import Device
from resgen.tensorrt import targets
from resgen.tensorrt.flavor import FLAVORS
from resgen.tensorrt.manifest import vouched
from resgen.tensorrt.targets import (
    AHEAD,
    DEVICES,
    check_precisions,
    divide,
    parse_targets,
    precision_problem,
)

FIRST = "NVIDIA L4, the first of several here: CUDA_VISIBLE_DEVICES names another"
H100 = Device("NVIDIA H100 80GB HBM3", "sm_90", "13.0")


@pytest.fixture
def installed(monkeypatch):
    def have(*keys):
        found = tuple(FLAVORS[key] for key in keys)
        monkeypatch.setattr(targets, "installed", lambda: found)

    return have


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sm_89", ("sm_89",)),
        ("sm_89,rtx-4090, L4", ("sm_89",)),
        ("h100,jetson-orin,t4", ("sm_90", "sm_87", "sm_75")),
        ("NVIDIA GeForce RTX 2080 Ti", ("sm_75",)),
        ("rtx_6000_ada", ("sm_89",)),
        ("8.6,sm120,10.0,110", ("sm_86", "sm_120", "sm_100", "sm_110")),
        ("h20,a800,l20,rtx-2080-super", ("sm_90", "sm_80", "sm_89", "sm_75")),
        ("rtx-3500-ada,rtx4090,a6000,orin", ("sm_89", "sm_86", "sm_87")),
        # As nvidia-smi prints them.
        ("NVIDIA A100-SXM4-80GB,NVIDIA H100 80GB HBM3", ("sm_80", "sm_90")),
        ("Tesla T4,NVIDIA GeForce RTX 4060 Laptop GPU", ("sm_75", "sm_89")),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", ("sm_120",)),
        ("NVIDIA RTX 6000 Ada Generation", ("sm_89",)),
    ],
)
def test_devices_and_numbers_become_compute_capabilities(text, expected):
    assert parse_targets(text) == expected


@pytest.mark.parametrize("text", ["", "sm_89,", "sm_85", "sm_8", "86x", "-"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UsageError):
        parse_targets(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("rtx-4900", "rtx-4090"), ("jeston-orin", "jetson-orin")]
)
def test_a_misspelt_device_is_guessed(text, meant):
    with pytest.raises(UsageError, match=f'did you mean "{meant}"'):
        parse_targets(text)


@pytest.mark.parametrize("text", ["h10", "h300", "b100", "a4", "l400", "rtx-4095"])
def test_another_gpu_is_no_misspelling(text):
    with pytest.raises(UsageError, match=r"no GPU that is known here$"):
        parse_targets(text)


def test_a_name_that_several_gpus_have_is_not_guessed():
    with pytest.raises(UsageError) as refused:
        parse_targets("rtx-6000")
    for name in ("quadro-rtx-6000 (sm_75)", "rtx-6000-ada (sm_89)", "rtx-pro-6000"):
        assert name in refused.value.message


@pytest.mark.parametrize("text", ["jetson-xavier", "xavier-nx", "7.2", "v100", "sm_61"])
def test_gpus_that_no_such_tensorrt_runs_on_are_refused(text):
    with pytest.raises(UsageError, match=r"too old.*sm_75 and newer"):
        parse_targets(text)


def test_every_target_of_the_ahead_of_time_builder_is_one_of_its_own(rtx):
    import tensorrt_rtx

    members = tensorrt_rtx.ComputeCapability.__members__
    theirs = {n.replace("SM", "sm_") for n in members if n.startswith("SM")}
    assert theirs == set(AHEAD) <= set(DEVICES.values())


def test_a_precision_that_a_gpu_lacks_is_named():
    assert precision_problem("fp8", "sm_89") is None
    assert precision_problem("fp32", "sm_72") is None
    assert precision_problem("bf16", "sm_120") is None
    assert "sm_75 has no bf16" in precision_problem("bf16", "sm_75")
    with pytest.raises(UsageError, match=r"sm_86 has no fp8: .*; sm_75 has no fp8"):
        check_precisions(("fp8",), ("sm_89", "sm_86", "sm_75"))


def test_without_a_gpu_the_rest_goes_into_a_kit(installed):
    installed("tensorrt", "rtx")
    found = divide(("sm_87", "sm_89", "sm_90"), None, None)
    assert found.flavor is FLAVORS["rtx"]
    assert (found.here, found.elsewhere) == (("sm_89",), ("sm_87", "sm_90"))


def test_a_gpu_that_only_the_full_flavour_knows_is_built_for_by_it(installed):
    installed("tensorrt", "rtx")
    found = divide((), None, H100)
    assert (found.flavor, found.here) == (FLAVORS["tensorrt"], ("sm_90",))
    installed("rtx")
    assert divide((), None, H100).elsewhere == ("sm_90",)


def test_without_tensorrt_everything_goes_into_a_kit(installed):
    installed()
    found = divide(("sm_89",), None, None)
    assert (found.flavor, found.here, found.elsewhere) == (None, (), ("sm_89",))


def test_a_flavour_that_was_asked_for_has_to_be_there(installed):
    installed("rtx")
    with pytest.raises(MissingComponent) as missing:
        divide(("sm_89",), "tensorrt", None)
    assert missing.value.install == 'pip install "resgen[tensorrt]"'
    with pytest.raises(UsageError, match='did you mean "rtx"'):
        divide(("sm_89",), "rtz", None)


def test_without_a_gpu_a_target_has_to_be_named(installed):
    installed("rtx")
    with pytest.raises(UsageError, match="no GPU is here") as error:
        divide((), None, None)
    assert "as in sm_89" in error.value.hint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "told"),
    [(None, [FIRST]), ("l4", [])],
)
def test_of_several_gpus_the_one_that_is_built_for_is_named(
    target, told, tmp_path, monkeypatch
):
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path / "cache"))
    gpus = [Device("NVIDIA L4", "sm_89", "13.1"), Device("NVIDIA A2", "sm_86", "13.1")]

    def present(number=0):
        return gpus[number] if number < len(gpus) else None

    for module in ("machine.device", "tensorrt.targets"):
        monkeypatch.setattr(f"resgen.{module}.present", present)
    said = []

    made = resgen.export(
        "resnet20_cifar", tmp_path / "out", to="tensorrt", precision="fp16",
        target=target, verify=False, progress=said.append,
    )  # fmt: skip
    assert vouched(made.folder / "model.engine").targets == ("sm_89",)
    assert [line[10:] for line in said if line.startswith("gpu")] == told


def test_a_folder_named_as_the_package_is_no_tensorrt(tmp_path):
    (tmp_path / "tensorrt_rtx").mkdir()
    ask = """
from resgen.errors import MissingComponent
from resgen.tensorrt.flavor import FLAVORS, installed, load
print([flavor.key for flavor in installed()])
try:
    load(FLAVORS["rtx"], "nothing is built")
except MissingComponent as missing:
    print(missing.message)
"""
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", "-c", ask],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = done.stdout.splitlines()
    assert told[0] == "[]"
    assert told[1].startswith("TensorRT for RTX is not installed")
