"""What networks learn from: sources, splits, batches, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import SPEC
from hand_graph import Builder
from PIL import Image

import resgen
from resgen.diagnosis.data.dataset import Dataset, split
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import DISTANCE, neighbours
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.train import train
from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.pictures.preprocess import prepare, read

COLOURED: dict[str, Any] = {
    **SPEC,
    "name": "coloured",
    "input": [3, 12, 12],
    "preprocess": {"resize": None, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]},
}
SIGNAL: dict[str, Any] = {
    "resgen": 1,
    "name": "signal",
    "input": [2, 16],
    "stem": [{"op": "conv", "out": 4, "kernel": 3, "as": "conv"}],
    "stages": [],
    "head": {"classes": 3},
}


def gathered(source: str | None, of: dict[str, Any] = SPEC, **changes: Any) -> Dataset:
    spec = resgen.load(of)
    return gather(source, resgen.expand(spec), spec.preprocess, **changes)


def saved(path: Path, **arrays: Any) -> str:
    np.savez(path / "data.npz", **arrays)
    return str(path / "data.npz")


def pictures(path: Path, classes: int = 3, each: int = 5, size: int = 12) -> Path:
    rng = np.random.default_rng(0)
    for label in range(classes):
        (path / f"class{label}").mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(path / f"class{label}" / f"{i}.png")
    return path


def everything(data: Dataset) -> tuple[Any, Any]:
    """All that is held back, and one epoch of the rest."""
    n = len(data.trained_on)
    batches = [data.batch(0, n), *data.tested(7)]
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


# --- sources --------------------------------------------------------------------------


@pytest.mark.slow
def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    data = gathered("digits")
    assert data.about.count == 1797
    assert data.about.classes == 10
    assert data.about.notes == ()
    images, labels = everything(data)
    ours = sorted((x * 16).round().astype(int).tobytes() for x in images[:, 0])
    theirs = sorted(x.astype(int).tobytes() for x in load_digits().images)
    assert ours == theirs
    assert np.bincount(labels).tolist() == np.bincount(load_digits().target).tolist()


def test_digits_become_pictures_of_the_input_and_it_is_said() -> None:
    data = gathered(None, COLOURED)
    images, _ = data.batch(0, 4)
    assert images.shape == (4, 3, 12, 12)
    assert "8 x 8" in data.about.notes[0]
    assert "12 x 12 (bilinear, antialiased)" in data.about.notes[0]
    mean, std = np.float32([0.5, 0.4, 0.3]), np.float32([0.2, 0.3, 0.4])
    grey = images * std[:, None, None] + mean[:, None, None]
    np.testing.assert_allclose(grey[:, 0], grey[:, 2], atol=1e-6)


def test_digits_stay_whole_where_photographs_would_be_cropped() -> None:
    plain = gathered(None, COLOURED)
    cropped = {**COLOURED, "preprocess": {**COLOURED["preprocess"], "resize": 256}}
    data = gathered(None, cropped)
    np.testing.assert_array_equal(data.batch(0, 8).images, plain.batch(0, 8).images)
    assert any("left out for the digits" in note for note in data.about.notes)


@pytest.mark.peers
def test_a_folder_is_read_as_torchvision_reads_it(tmp_path: Path, peers: Any) -> None:
    from torchvision.datasets import ImageFolder

    path = pictures(tmp_path / "pictures")
    Image.open(path / "class1" / "0.png").resize((20, 16)).save(
        path / "class1" / "wide.jpg"
    )
    (path / "class2" / "deeper").mkdir()
    (path / "class2" / "0.png").rename(path / "class2" / "deeper" / "0.png")
    (path / ".hidden").mkdir()
    (path / "notes.txt").write_text("no class")
    data = gathered(str(path), COLOURED)
    images, labels = everything(data)
    ours = {x.tobytes(): int(y) for x, y in zip(images, labels, strict=True)}
    (path / ".hidden").rmdir()  # torchvision takes it for a class
    spec = resgen.load(COLOURED)
    theirs = {
        prepare(read(Path(name)), spec.preprocess, (3, 12, 12)).tobytes(): label
        for name, label in ImageFolder(str(path)).samples
    }
    assert ours == theirs
    assert data.about.origin == "pictures of pictures"
    assert "various sizes" in data.about.notes[0]
    assert "tells 10 classes, of which 3 occur" in data.about.notes[-1]


def test_a_crop_that_leaves_little_of_a_picture_is_told(tmp_path: Path) -> None:
    path = pictures(tmp_path / "pictures")
    cropped = {**COLOURED, "preprocess": {"resize": 24}}
    notes = gathered(str(path), cropped).about.notes
    assert "the shorter side to 24, then the middle 12 x 12" in notes[0]
    assert "the crop leaves 25 % of" in notes[1]


def test_numbers_of_an_archive_are_taken_as_they_are(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(12, 2, 16))
    y = np.arange(12, dtype=np.uint8).reshape(12, 1) % 3
    data = gathered(saved(tmp_path, x=x, y=y, x_test=x), SIGNAL)
    images, labels = everything(data)
    assert {a.tobytes() for a in images} == {a.tobytes() for a in np.float32(x)}
    assert np.bincount(labels).tolist() == [4, 4, 4]
    assert data.about.origin == "data.npz"
    assert data.about.notes == ("data.npz also holds x_test, which was not used",)


def test_arrays_of_any_name_are_told_apart(tmp_path: Path) -> None:
    x, y = np.zeros((6, 2, 16)), np.arange(6) % 3
    assert gathered(saved(tmp_path, b=y, a=x), SIGNAL).about.count == 6


@pytest.mark.parametrize("order", ["N x H x W x colours", "N x colours x H x W"])
def test_bytes_are_pictures_and_are_prepared(tmp_path: Path, order: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 9, 3), np.uint8)
    stored = pixels if order.endswith("colours") else pixels.transpose(0, 3, 1, 2)
    data = gathered(saved(tmp_path, x=stored, y=np.arange(6) % 3), COLOURED)
    images, _ = everything(data)
    pre = resgen.load(COLOURED).preprocess
    wanted = {prepare(one, pre, (3, 12, 12)).tobytes() for one in pixels}
    assert {one.tobytes() for one in images} == wanted
    assert "pictures of 10 x 9" in data.about.notes[0]


def test_grey_bytes_need_no_axis_of_colours(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    made = [
        gathered(saved(tmp_path, x=x, y=np.arange(6) % 2)).batch(0, 4).images
        for x in (pixels, pixels[..., None], pixels[:, None], pixels / np.float32(255))
    ]
    for other in made[1:]:
        np.testing.assert_allclose(made[0], other, atol=1e-7)


# --- splits and batches ---------------------------------------------------------------


def test_a_fifth_of_each_class_is_held_back() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 52, 2, 1])
    rest, back = split(labels, 0)
    assert np.bincount(labels[back], minlength=4).tolist() == [20, 10, 1, 0]
    assert sorted([*rest, *back]) == list(range(155))
    assert split(labels, 0)[1].tolist() == back.tolist()
    assert split(labels, 1)[1].tolist() != back.tolist()


def test_a_batch_is_a_function_of_its_number() -> None:
    one, other = gathered("digits"), gathered("digits", COLOURED)
    for step in (40, 3, 22):  # 22 of 64 make an epoch
        assert one.batch(step, 64).labels.tolist() == (
            other.batch(step, 64).labels.tolist()
        )
    assert one.batch(0, 64).labels.tolist() != one.batch(22, 64).labels.tolist()
    epoch = [one.batch(step, 64).images for step in range(22)]
    assert len({image.tobytes() for batch in epoch for image in batch}) > 1400
    again = gathered("digits", seed=1).batch(0, 64)
    assert again.labels.tolist() != one.batch(0, 64).labels.tolist()


def test_images_beyond_memory_are_prepared_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = gathered("digits")
    monkeypatch.setattr("resgen.diagnosis.data.dataset.KEPT", 1000)
    lazy = gathered("digits")
    for step in (0, 30):
        np.testing.assert_array_equal(
            kept.batch(step, 16).images, lazy.batch(step, 16).images
        )


def test_neighbours_follow_the_images_that_they_are_near() -> None:
    batch = gathered("digits").batch(0, 64)
    images, labels = neighbours(batch)
    assert images.shape == batch.images.shape
    np.testing.assert_array_equal(images[:32], batch.images[:32])
    np.testing.assert_array_equal(labels, np.tile(batch.labels[:32], 2))
    away = (images[32:] - images[:32]).std((1, 2, 3)) / images[:32].std((1, 2, 3))
    assert away.mean() == pytest.approx(DISTANCE, rel=0.05)
    np.testing.assert_array_equal(neighbours(batch).images, images)


# --- what is refused ------------------------------------------------------------------


def refused(source: str | None, *words: str, of: Any = SPEC, **changes: Any) -> None:
    with pytest.raises(ResgenError) as caught:
        gathered(source, of, **changes)
    text = f"{caught.value.message} {caught.value.hint or ''}"
    for word in words:
        assert word in text


def test_digits_need_a_network_that_takes_pictures() -> None:
    refused("digits", "no rgb picture", "2 x 16", ".npz", of=SIGNAL)
    refused(None, "10 classes", "tells 4", of={**SPEC, "head": {"classes": 4}})


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(MissingComponent, match="scikit-learn"):
        gathered("digits")


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    refused(str(tmp_path / "absent"), "absent does not exist", "digits")
    (tmp_path / "empty").mkdir()
    refused(str(tmp_path / "empty"), "is empty", "FOLDER/cat/1.png", of=COLOURED)
    flat = pictures(tmp_path / "one", classes=1) / "class0"
    refused(str(flat), "has no sub-folders", of=COLOURED)
    refused(str(flat.parent), "one sub-folder, class0", of=COLOURED)
    refused(str(flat / "0.png"), "neither a folder nor an .npz", of=COLOURED)
    many = pictures(tmp_path / "many", classes=11, each=1)
    refused(str(many), "11 sub-folders", "tells 10", of=COLOURED)
    (many / "class10" / "0.png").unlink()
    (many / "class9" / "0.png").rename(many / "class9" / "0.txt")
    (many / "class10").rmdir()
    refused(str(many), "class9 holds no pictures", of=COLOURED)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    path = pictures(tmp_path / "pictures")
    (path / "class1" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused(str(path), "3.png cannot be read as a picture", of=COLOURED)


def test_archives_that_do_not_fit(tmp_path: Path) -> None:
    x, y = np.zeros((6, 2, 16), np.float32), np.arange(6) % 3

    def fails(*words: str, **arrays: Any) -> None:
        refused(saved(tmp_path, **arrays), *words, of=SIGNAL)

    fails("holds x (float32, 6 x 2 x 16)", "array of inputs x", x=x)
    fails("holds nothing")
    fails("y of", "float64, 6", "whole number", x=x, y=y / 1)
    fails("argmax", x=x, y=np.eye(3, dtype=int)[y])
    fails("6 x and 5 y", x=x, y=y[:5])
    fails("goes from 0 to 3", "0 to 2", "at index 3: 3", x=x, y=np.arange(6) % 4)
    fails("goes from -1", x=x, y=y - 1)
    fails("fewer than two classes", x=x, y=y * 0)
    fails("6 x 2 x 15", "N x 2 x 16", x=x[..., :15], y=y)
    fails("<U1", x=x.astype("<U1"), y=y)
    fails("no class has two examples", x=x[:3], y=y[:3])
    bad = x.copy()
    bad[4, 1, 2], bad[5, 0, 0] = np.nan, np.inf
    fails("x of", "nan at index [4, 1, 2]", x=bad, y=y)
    fails("inf at index [1, 0, 0]", x=bad[[0, 5, 1, 2, 3, 3]], y=y)
    fails("too large for float32", x=x.astype(float) + 1e300, y=y)
    fails("cannot be read", "holds Python objects", x=np.array([{}, None]), y=y)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK not an archive")
    refused(str(broken), "broken.npz cannot be read", of=SIGNAL)
    refused(str(tmp_path / "absent.npz"), "absent.npz does not exist", of=SIGNAL)
    np.save(tmp_path / "one.npy", x)
    (tmp_path / "one.npy").rename(broken)
    refused(str(broken), "holds (float32, 6 x 2 x 16); wanted are", of=SIGNAL)
    grey = saved(tmp_path, x=np.zeros((6, 9, 9)), y=y)
    refused(grey, "float64, 6 x 9 x 9", "bytes (uint8)")


def test_too_few_for_a_batch() -> None:
    with pytest.raises(ResgenError, match=r"1,438 examples .* batch of 2,000"):
        gathered("digits").batch(0, 2000)


# --- outputs --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_loss_is_of_one_output_where_there_are_several() -> None:
    net = Builder((1, 8, 8))
    net.add("conv", Conv(out=6, kernel=3, padding=1))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=12))
    graph = net.graph(("features", "conv"), ("scores", "fc"))
    pre = resgen.load(SPEC).preprocess

    assert gather(None, graph, pre).scores.name == "scores"  # the only vector
    with pytest.raises(ResgenError, match='in "scores", and "features" is none'):
        gather(None, graph, pre, output="features")
    with pytest.raises(UsageError, match='no output "score"; did you mean "scores"'):
        gather(None, graph, pre, output="score")
    data = gather(None, graph, pre, output="scores")
    assert (data.scores.name, data.scores.classes) == ("scores", 12)
    assert data.about.notes == ("the network tells 12 classes, of which 10 occur",)
    with pytest.raises(ResgenError, match='by "scores", and digits has no such output'):
        data.require(resgen.expand(resgen.load(SPEC)))
    with pytest.raises(ResgenError, match="coloured takes 3 x 12 x 12"):
        data.require(resgen.expand(resgen.load(COLOURED)))
    # Training takes the loss of that output.
    ((run,),) = train([Trainee("two", graph, ())], data, Options(3)).runs
    assert None not in run.losses
