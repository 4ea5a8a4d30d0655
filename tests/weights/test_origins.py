"""Weights of any origin load, or one sentence says why not."""

from __future__ import annotations

import bz2
import lzma
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import resgen
from resgen.errors import ResgenError
from resgen.weights.checkpoint import fit, load
from resgen.weights.loading import Loading

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "net",
    "input": [3, 32, 32],
    "stem": {"use": "cifar", "with": {"width": 8}},
    "defaults": {"block": "basic"},
    "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}],
    "head": {"classes": 10},
}


def network(**changes: Any) -> tuple[resgen.Spec, resgen.Graph]:
    spec = resgen.load({**SPEC, **changes})
    return spec, resgen.expand(spec)


@pytest.fixture(scope="module")
def graph() -> resgen.Graph:
    return network()[1]


@pytest.fixture(scope="module")
def state(graph: resgen.Graph) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    fresh = resgen.to_torch(graph).state_dict()
    return {n: t + 0.5 if t.is_floating_point() else t for n, t in fresh.items()}


def equal(found: Any, state: dict[str, torch.Tensor]) -> None:
    assert list(found.arrays) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(found.arrays[name], value, err_msg=name)


# --- prefixes and places -------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        "net.", "encoder.", "student.", "0.", "trunk.", "_forward_module.",
        "backbone.resnet.", "model.diffusion.a.b.c.", "net_", "module.net.module.",
    ],
)  # fmt: skip
def test_any_common_prefix(graph, state, prefix):
    equal(fit({prefix + n: v for n, v in state.items()}, graph), state)


def test_wrappers_within_names(graph, state):
    """As torch.compile and FSDP leave them where parts of a network are wrapped."""
    given = {
        n.replace("layer1.0.", "layer1._orig_mod.0._fsdp_wrapped_module."): v
        for n, v in state.items()
    }
    equal(fit(given, graph), state)


@pytest.mark.parametrize(
    "spelt",
    [
        lambda n: n.replace(".", "/"),
        lambda n: "/model/" + n.replace(".", "/"),
        lambda n: "model/" + n,
        lambda n: "my net." + n,
        lambda n: "r\u00e9seau.\u7f51." + n,
        lambda n: "a." * 15_000 + n,
        lambda n: "." * 30_000 + n,
    ],
)
def test_names_of_any_characters(graph, state, spelt):
    equal(fit({spelt(n): v for n, v in state.items()}, graph), state)


@pytest.mark.parametrize("name", ["x\x1b[31m\n\ny", "\u202etxt", "\ud800", "z" * 10**6])
def test_names_of_any_characters_are_told_in_one_line(graph, state, name):
    for given in ({**state, name: torch.ones(3)}, {name: torch.ones(3)}):
        with pytest.raises(ResgenError) as error:
            fit(given, graph)
        lines = error.value.message.splitlines()
        assert max(map(len, lines)) < 300
        assert all(line.isprintable() for line in lines)


def test_what_is_there_with_a_wrapper_and_without_is_two_sets(graph, state):
    both = {**state, **{f"_orig_mod.{n}": v + 1 for n, v in state.items()}}
    with pytest.raises(ResgenError, match="holds 2 sets of weights") as error:
        fit(both, graph)
    assert 'prefix="_orig_mod." takes' in str(error.value.hint)
    found = fit(both, graph, Loading(prefix="_orig_mod."))
    equal(found, {n: v + 1 for n, v in state.items()})


def test_an_optimizers_state_is_no_weights(graph, state):
    steps = {i: {"exp_avg": v} for i, v in enumerate(state.values())}
    saved = {"state": steps, "param_groups": [{"lr": 0.1}]}
    for given in (saved, {"epoch": 1, "optimizer": saved}):
        with pytest.raises(ResgenError, match="no weights by name") as error:
            fit(given, graph)
        assert "an optimizer's state" in str(error.value.hint)


def test_a_stray_is_told_with_its_name(graph, state):
    given = {f"net.{n}": v for n, v in state.items()} | {"loss.w": torch.ones(3)}
    with pytest.raises(ResgenError) as error:
        fit(given, graph)
    assert error.value.message.splitlines()[1:] == [
        "  not of this network (1):",
        "    loss.w (3)",
    ]
    assert "ignore_extra" in str(error.value.hint)
    found = fit(given, graph, Loading(ignore_extra=True))
    equal(found, state)
    assert found.notes == ("loss.w: left out",)


@pytest.mark.parametrize(
    "key", ["net", "model_state", "module", "params", "ema", "teacher", "weights/0"]
)
def test_any_place_in_the_file(tmp_path, graph, state, key):
    inner: Any = dict(state)
    for part in reversed(key.split("/")):
        inner = [inner] if part == "0" else {part: inner}
    momentum = {"exp_avg": torch.ones(8, 3, 3, 3)}
    saved = {**inner, "epoch": 3, "optimizer": {"state": {0: momentum}}}
    torch.save(saved, tmp_path / "a.pth")
    equal(load(tmp_path / "a.pth", graph), state)


def test_several_that_fit_are_named_and_chosen_among(graph, state):
    other = {n: v + 1 for n, v in state.items()}
    for saved, how in (
        ({"student": state, "teacher": other}, Loading(key="student")),
        (
            {
                f"{p}.{n}": v
                for p, s in (("a", state), ("b", other))
                for n, v in s.items()
            },
            Loading(prefix="a"),
        ),
    ):
        with pytest.raises(ResgenError, match="2 sets of weights") as error:
            fit(saved, graph)
        option = "key" if how.key else "prefix"
        assert f'{option}="{how.key or how.prefix}' in str(error.value.hint)
        equal(fit(saved, graph, how), state)


def test_of_several_the_one_that_fits_is_taken(graph, state):
    smaller = network(stages=[{"width": 8, "depth": 1}])[1]
    other = dict(resgen.to_torch(smaller).state_dict())
    equal(fit({"generator": other, "discriminator": state}, graph), state)


def test_an_average_is_asked_for(graph, state):
    other = {n: v + 1 for n, v in state.items()}
    for saved in (
        {"params": other, "params_ema": state},
        {
            "state_dict": other,
            "ema_state_dict": {"n_averaged": torch.tensor(2), **state},
        },
        {f"model.{n}": v for n, v in other.items()}
        | {f"ema_model.{n}": v for n, v in state.items()},
    ):
        equal(fit(saved, graph, Loading(ema=True)), state)
        equal(fit(saved, graph), other)


def test_an_average_that_is_not_taken_is_spoken_of(graph, state, caplog):
    other = {n: v + 1 for n, v in state.items()}
    saved = {"state_dict": other, "state_dict_ema": state}
    fit(saved, graph)
    assert "also holds a moving average" in caplog.text
    caplog.clear()
    fit(saved, graph, Loading(ema=True))
    fit(saved, graph, Loading(key="state_dict"))
    fit({"state_dict": other, "avg": {"loss": state["conv1.weight"]}}, graph)
    assert not caplog.text


def test_wrong_keys_and_prefixes_are_answered_with_the_right_ones(graph, state):
    saved = {"model": {f"net.{n}": v for n, v in state.items()}}
    with pytest.raises(ResgenError, match='no weights at "net"; they lie at model'):
        fit(saved, graph, Loading(key="net"))
    with pytest.raises(ResgenError, match=r'begins with "a\."; all begin with "net\."'):
        fit(saved, graph, Loading(prefix="a."))


@pytest.mark.parametrize("name", ["total_ops", "total_params", "n_averaged"])
def test_counters_of_tools_are_known(graph, state, name):
    extra = {name: torch.zeros(1), f"layer1.0.{name}": torch.zeros(1)}
    equal(fit(dict(state) | extra, graph), state)


def test_half_precision(graph, state):
    half = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    found = fit(half, graph)
    equal(
        found, {n: v.float() if v.is_floating_point() else v for n, v in half.items()}
    )


def test_names_of_another_network_are_one_sentence(graph):
    given = {f"net.features.{i}.w": torch.ones(3) for i in range(40)}
    with pytest.raises(ResgenError) as error:
        fit(given, graph)
    message = error.value.message
    assert "none of the 40 names" in message
    assert 'all begin with "net.features."' in message
    assert "\n" not in message
    assert error.value.hint is None


@pytest.mark.parametrize("change", [torch.Tensor.to_sparse, lambda t: t.to("meta")])
def test_a_tensor_without_numbers_in_place_is_told_by_name(tmp_path, state, change):
    kept = {**state, "fc.weight": change(state["fc.weight"])}
    torch.save({"model": kept, "model_ema": kept}, tmp_path / "a.pth")
    with pytest.raises(ResgenError, match=r"fc\.weight is not an ordinary tensor"):
        resgen.build(
            network()[0], tmp_path / "out", weights=tmp_path / "a.pth", verify=False
        )


def test_a_file_that_holds_itself(tmp_path, graph):
    saved: dict[str, Any] = {"epoch": 1}
    saved["state_dict"] = saved
    torch.save(saved, tmp_path / "a.pth")
    with pytest.raises(ResgenError, match=r"a\.pth holds epoch, state_dict"):
        load(tmp_path / "a.pth", graph)


# --- mends ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("conv1.weight", lambda v: v.to(torch.int8)),
        ("layer2.0.bn2.weight", lambda v: v[:12]),
        ("layer1.0.conv1.weight", lambda v: v[:5]),
        ("fc.weight", lambda v: v.to(torch.int8)),
    ],
)
def test_no_mend_that_does_not_fit(state, name, change):
    spec, graph = network()
    with pytest.raises(ResgenError) as error:
        fit({**state, name: change(state[name])}, graph, spec=spec)
    assert "--set" not in str(error.value.hint)
    assert name in error.value.message


def test_the_number_of_classes_is_a_mend_where_the_spec_takes_it(state):
    spec, graph = network(head={"classes": 7})
    with pytest.raises(ResgenError) as error:
        fit(state, graph, spec=spec)
    assert 'set="/head/classes=10" makes it' in str(error.value.hint)
    assert "adapt=True loads all but fc.weight, fc.bias" in str(error.value.hint)
    labelled, graph = network(head={"classes": 2}, labels=["a", "b"])
    with pytest.raises(ResgenError) as error:
        fit(state, graph, spec=labelled)
    assert "--set" not in str(error.value.hint)


@pytest.mark.parametrize(
    "orders", [{4: (0, 2, 3, 1)}, {4: (2, 3, 1, 0)}, {4: (2, 3, 1, 0), 2: (1, 0)}]
)
def test_another_order_of_axes_is_named(graph, state, orders):
    given = {
        n: v.permute(orders[v.ndim]) if v.ndim in orders else v
        for n, v in state.items()
    }
    with pytest.raises(ResgenError) as error:
        fit(given, graph)
    for rank, axes in orders.items():
        back = tuple(int(i) for i in np.argsort(axes))
        assert f"array.transpose{back} at {rank} axes" in str(error.value.hint)


# --- by half on purpose --------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 6, 13])
def test_input_channels_are_adapted_as_timm_does(peers, state, channels):
    from timm.models._manipulate import adapt_input_conv

    other = network(input=[channels, 32, 32])[1]
    with pytest.raises(ResgenError) as error:
        fit(state, other)
    assert "adapt=True" in str(error.value.hint)
    found = fit(state, other, Loading(adapt=True))
    expected = adapt_input_conv(channels, state["conv1.weight"].clone())
    np.testing.assert_allclose(found.arrays["conv1.weight"], expected, rtol=1e-6)
    assert [note.split(":")[0] for note in found.notes] == ["conv1.weight"]
    for name in state.keys() - {"conv1.weight"}:
        np.testing.assert_array_equal(found.arrays[name], state[name])


def test_another_head_stays_fresh_and_is_told(state):
    graph = network(head={"classes": 3})[1]
    fresh = {"fc.weight", "fc.bias"}
    for given in (
        state,
        {n: v for n, v in state.items() if n not in fresh},
        {n.replace("fc.", "classifier."): v for n, v in state.items()},
    ):
        found = fit(given, graph, Loading(adapt=True), seed=4)
        assert {n.split(":")[0] for n in found.notes if "fresh" in n} == fresh
        left = {n.split(":")[0] for n in found.notes if "left out" in n}
        assert left == given.keys() - state.keys()
        for name in state.keys() - fresh:
            np.testing.assert_array_equal(found.arrays[name], state[name])
        assert found.arrays["fc.weight"].shape == (3, 16)
        assert found.arrays["fc.weight"].std() > 0


def test_nothing_is_adapted_that_differs_in_its_body(state):
    graph = network(stages=[{"width": 8, "depth": 1}, {"width": 24, "depth": 1}])[1]
    with pytest.raises(ResgenError, match="do not fit"):
        fit(state, graph, Loading(adapt=True))
    with pytest.raises(ResgenError, match="none of the"):
        fit({"x": torch.ones(3)}, graph, Loading(adapt=True))


# --- what is no checkpoint -----------------------------------------------------------


def other_files(folder: Path) -> dict[str, str]:
    """Files of other kinds by their names, and what a message calls them."""
    layer = torch.nn.Linear(2, 2)
    torch.jit.script(layer).save(str(folder / "script.pt"))
    torch.export.save(
        torch.export.export(layer, (torch.ones(1, 2),)), folder / "program.pt2"
    )
    np.savez(folder / "arrays.npz", a=np.ones(2))
    np.save(folder / "array.npy", np.ones(2))
    (folder / "lfs.pth").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    )
    (folder / "lfs.safetensors").write_bytes((folder / "lfs.pth").read_bytes())
    (folder / "keras.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    (folder / "page.pth").write_text("<!DOCTYPE html><html>404</html>")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "script.py").write_text("import torch\nprint(1)\n")
    (folder / "picture.bin").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(600))
    (folder / "model.plan").write_bytes(b"ftrt" + bytes(600))
    (folder / "lite.bin").write_bytes(b"\x1c\0\0\0TFL3" + bytes(600))
    (folder / "weights.xz").write_bytes(lzma.compress(bytes(600)))
    (folder / "weights.bz2").write_bytes(bz2.compress(bytes(600)))
    zipfile.ZipFile(folder / "none.zip", "w").close()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    torch.save({"a": torch.ones(64, 64)}, folder / "whole.pth")
    whole = (folder / "whole.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) // 2])
    return {
        "script.pt": "TorchScript",
        "program.pt2": "torch.export",
        "arrays.npz": "NumPy",
        "array.npy": "NumPy",
        "lfs.pth": "Git LFS pointer",
        "lfs.safetensors": "Git LFS pointer",
        "keras.h5": "Keras",
        "page.pth": "web page",
        "empty.pth": "is empty",
        "script.py": "is text",
        "picture.bin": "a picture",
        "model.plan": "a TensorRT engine",
        "lite.bin": "a LiteRT",
        "weights.xz": "an xz archive",
        "weights.bz2": "a bzip2 archive",
        "none.zip": "of nothing",
        "model.keras": "Keras",
        "cut.pth": "cut short",
    }


@pytest.mark.slow
def test_other_files_are_named_as_what_they_are(tmp_path, graph):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = other_files(tmp_path)
    for name, what in files.items():
        with pytest.raises(ResgenError, match=what) as error:
            load(tmp_path / name, graph)
        assert name in error.value.message
        assert "\n" not in error.value.message
        assert error.value.hint


def test_a_network_as_onnx_is_named(tmp_path, graph):
    spec, _ = network()
    resgen.build(spec, tmp_path / "out", verify=False)
    (tmp_path / "a.pth").write_bytes((tmp_path / "out" / "model.onnx").read_bytes())
    for path in (tmp_path / "out" / "model.onnx", tmp_path / "a.pth"):
        with pytest.raises(ResgenError, match="is an ONNX file"):
            load(path, graph)


BYTES = {
    "answer.pth": (b"Not Found\nline 2\n", 'text, .* begins "Not Found"'),
    "umlaut.pth": ("größe".encode()[:-1] + b"\xc3", 'text, .* begins "gr'),
    "page.safetensors": ("<html>".encode("utf-16"), "web page"),
    "saved_model.pb": (b"\x08\x01\x12\xff\x01\x00", "TensorFlow"),
    "plain.pkl": (pickle.dumps({"a": 1}), "pickle that torch.save did not write"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_checkpoint_are_named(tmp_path, graph, name):
    data, what = BYTES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ResgenError, match=what) as error:
        load(tmp_path / name, graph)
    assert error.value.hint


@pytest.mark.parametrize(
    ("member", "what"),
    [(".metadata", "torch.distributed"), ("saved_model.pb", "TensorFlow"),
     ("data.pkl", "unpacked"), ("model.safetensors", "holds model.safetensors")],
)  # fmt: skip
def test_folders_are_named(tmp_path, graph, member, what):
    (tmp_path / member).touch()
    with pytest.raises(ResgenError, match=what) as error:
        load(tmp_path, graph)
    assert error.value.hint


def test_a_pickle_of_arrays_is_read_once_it_is_saved_as_its_mend_says(
    tmp_path, graph, state, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = Path("arrays.pkl")
    path.write_bytes(pickle.dumps({n: v.numpy() for n, v in state.items()}))
    with pytest.raises(ResgenError, match="could run code") as error:
        load(path, graph)
    mend = str(error.value.hint).partition("file, ")[2].partition(" makes")[0]
    exec(mend, {"torch": torch, "pickle": pickle})  # noqa: S102
    equal(load(Path("weights.pth"), graph), state)


def test_mends_of_weights_of_other_types_and_names(graph, state):
    bits = {n: v.to(torch.int8) for n, v in state.items()}
    for how in (Loading(), Loading(adapt=True)):
        with pytest.raises(ResgenError, match="int8, the network has") as error:
            fit(bits, graph, how)
        assert "before they were quantised" in str(error.value.hint)
    flax = {n.replace("weight", "kernel"): v for n, v in state.items()}
    with pytest.raises(ResgenError) as error:
        fit(flax, graph)
    assert "Flax" in str(error.value.hint)


@pytest.mark.slow
def test_the_way_out_of_torchscript_works(tmp_path, graph, state, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = resgen.to_torch(graph)
    model.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model.eval(), torch.ones(1, 3, 32, 32)).save("script.pt")
        with pytest.raises(ResgenError) as error:
            load(Path("script.pt"), graph)
        exec(str(error.value.hint).split(" takes")[0], {"torch": torch})  # noqa: S102
    equal(load(Path("weights.pth"), graph), state)


def test_what_a_file_is_counts_and_not_its_name(tmp_path, graph, state):
    save_file({n: v.numpy() for n, v in state.items()}, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.weights")
    for name in ("a.pth", "b.weights"):
        equal(load(tmp_path / name, graph), state)


@pytest.mark.slow
def test_from_python(tmp_path, state):
    spec, _ = network(head={"classes": 3})
    torch.save(state, tmp_path / "a.pth")
    made = resgen.build(
        spec,
        tmp_path / "out",
        weights=str(tmp_path / "a.pth"),
        adapt=True,
        verify=False,
    )
    assert [n.split(":")[0] for n in made.manifest.adapted] == [
        "fc.weight",
        "fc.bias",
    ]
    for wrong in ({"weights": state}, {"state_dict": str(tmp_path / "a.pth")}):
        with pytest.raises(ResgenError) as error:
            resgen.build(spec, tmp_path / "other", verify=False, **wrong)
        assert error.value.exit_code == 2


def test_a_module_takes_tensors_and_arrays_that_fit(graph, state):
    module = resgen.to_torch(graph, state)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    arrays = {name: value.numpy() for name, value in state.items()}
    assert resgen.to_torch(graph, arrays).state_dict().keys() == state.keys()
    for wrong in ({}, {**state, "x": state["fc.bias"]}, {**state, "fc.bias": 3}, "a"):
        with pytest.raises(ResgenError):
            resgen.to_torch(graph, wrong)
