"""What a network is calibrated on: folders, files, stand-ins, and what is refused."""

from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest
from hand_graph import Builder
from PIL import Image

from resgen.calibrate.samples import gather
from resgen.errors import ResgenError
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.pictures.preprocess import prepare
from resgen.spec.model import Preprocess

WANTED = "wanted is one array of numbers, N x 3 x 16 x 16"
GRAY = Preprocess(resize=None, crop=None, color="gray")


def network(shape=(3, 16, 16)):
    net = Builder(shape)
    net.add("conv", Conv(out=4, kernel=3))
    return net.graph()


def picture(path, seed=0, size=(20, 24), mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def all_of(samples, size=4):
    return np.concatenate(list(samples.batches(size)))


def test_a_folder_is_prepared_as_the_spec_says(tmp_path):
    paths = [picture(tmp_path / f"{i}.png", seed=i) for i in (3, 1, 2)]
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "deeper").mkdir()
    samples = gather(tmp_path, network(), Preprocess())
    assert (samples.count, samples.real) == (3, True)
    assert samples.origin == f"3 images of {tmp_path.name}"
    found = all_of(samples, 2)
    assert found.dtype == np.float32
    for array, path in zip(found, sorted(paths), strict=True):
        with Image.open(path) as opened:
            wanted = prepare(opened, Preprocess(), (3, 16, 16))
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize(
    ("plain", "said"),
    [(0, ()), (2, ("2 of 3 pictures",)), (3, ("3 of 3 pictures",))],
)
def test_pictures_of_one_colour_are_told(tmp_path, plain, said):
    for i in range(3):
        picture(tmp_path / f"{i}.png", seed=i)
        if i < plain:
            Image.new("RGB", (20, 24), (90, 40 * i, 200)).save(tmp_path / f"{i}.png")
    notes = gather(tmp_path, network(), Preprocess()).notes
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))


def test_an_archive_is_taken_as_it_is(tmp_path):
    arrays = np.random.default_rng(0).normal(size=(7, 3, 16, 16)).astype(np.float32)
    path = tmp_path / "inputs.npz"
    np.savez(path, names=np.arange(7), images=arrays)
    samples = gather(path, network(), Preprocess())
    assert (samples.count, samples.real) == (7, True)
    np.testing.assert_array_equal(all_of(samples), arrays)
    assert [len(batch) for batch in samples.batches(3)] == [3, 3, 1]
    np.savez(path, arrays.astype(np.float64))
    assert all_of(gather(path, network(), Preprocess())).dtype == np.float32


def test_without_any_there_are_stand_ins():
    photographs = gather(None, network(), Preprocess())
    assert not photographs.real
    assert "photographs" in photographs.origin
    noise = gather(None, network((5, 32)), Preprocess(), seed=3)
    assert not noise.real
    assert "noise" in noise.origin
    first, again = all_of(noise), all_of(noise, 1)
    np.testing.assert_array_equal(first, again)
    assert first.shape == (noise.count, 5, 32)
    other = all_of(gather(None, network((5, 32)), Preprocess(), seed=4))
    assert not np.array_equal(first, other)


def empty(folder):
    return folder, "holds no images"


def absent(folder):
    return folder / "absent", "absent does not exist; images"


def unreadable(folder):
    picture(folder / "a.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:60])
    return folder, r"b\.png cannot be read as a picture"


def no_archive(folder):
    path = folder / "x.npz"
    path.write_bytes(b"not a zip archive")
    return path, r"x\.npz cannot be read as an \.npz file"


def cut_short(folder):
    path = folder / "x.npz"
    np.savez(path, np.zeros((4, 3, 16, 16), np.float32))
    path.write_bytes(path.read_bytes()[:-400])
    return path, r"x\.npz cannot be read as an \.npz file"


def damaged(folder):
    path = folder / "x.npz"
    np.savez_compressed(path, np.random.default_rng(0).normal(size=(4, 3, 16, 16)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    return path, r"x\.npz cannot be read as an \.npz file"


def zeroed_inside(folder):
    path = folder / "x.npz"
    np.savez_compressed(path, np.random.default_rng(0).normal(size=(4, 3, 16, 16)))
    data = bytearray(path.read_bytes())
    data[90:200] = bytes(110)  # of the compressed stream
    path.write_bytes(data)
    return path, r"x\.npz cannot be read as an \.npz file"


def no_bytes(folder):
    (folder / "x.npz").write_bytes(b"")
    return folder / "x.npz", r"x\.npz cannot be read as an \.npz file"


def a_single_array(folder):
    with (folder / "x.npz").open("wb") as file:
        np.save(file, np.zeros((4, 3, 16, 16), np.float32))
    return folder / "x.npz", r"x\.npz cannot be read as an \.npz file"


def a_folder(folder):
    (folder / "x.npz").mkdir()
    return folder / "x.npz", r"x\.npz: is a directory"


def absent_archive(folder):
    return folder / "x.npz", r"x\.npz does not exist"


def wrong_shape(folder):
    path = folder / "x.npz"
    np.savez(path, images=np.zeros((4, 3, 20, 16), np.float32))
    return (
        path,
        f"images: float32, 4 x 3 x 20 x 16; {WANTED}",
    )


def wrong_order(folder):
    path = folder / "x.npz"
    np.savez(path, np.zeros((4, 16, 16, 3), np.float32))
    return (
        path,
        f"arr_0: float32, 4 x 16 x 16 x 3; {WANTED}",
    )


def one_image(folder):
    path = folder / "x.npz"
    np.savez(path, np.zeros((3, 16, 16), np.float32))
    return (
        path,
        f"arr_0: float32, 3 x 16 x 16; {WANTED}",
    )


def none_inside(folder):
    path = folder / "x.npz"
    np.savez(path, np.zeros((0, 3, 16, 16), np.float32))
    return path, "arr_0: float32, 0 x 3 x 16 x 16"


def nothing_inside(folder):
    path = folder / "x.npz"
    np.savez(path)
    return path, "holds nothing"


def two_that_fit(folder):
    path = folder / "x.npz"
    array = np.zeros((4, 3, 16, 16), np.float32)
    np.savez(path, train=array, test=array)
    return (
        path,
        "train: float32, 4 x 3 x 16 x 16, test: float32, 4 x 3 x 16 x 16; wanted",
    )


def not_a_number(folder):
    path = folder / "x.npz"
    array = np.zeros((4, 3, 16, 16), np.float32)
    array[2, 1, 0, 0] = np.nan
    np.savez(path, array)
    return path, r"x\.npz holds numbers that are not finite"


def too_large(folder):
    path = folder / "x.npz"
    np.savez(path, np.full((4, 3, 16, 16), 1e300))
    return path, r"x\.npz holds numbers that are not finite"


def pickled(folder):
    path = folder / "x.npz"
    np.savez(path, np.array([{}, None], object))
    return path, r"x\.npz cannot be read as an \.npz file"


def text(folder):
    path = folder / "x.npz"
    np.savez(path, np.full((4, 3, 16, 16), "a"))
    return path, "arr_0: <U1, 4 x 3 x 16 x 16; wanted is one array of numbers"


@pytest.mark.parametrize(
    "make",
    [
        empty, absent, unreadable, no_archive, cut_short, damaged, absent_archive,
        zeroed_inside, no_bytes, a_single_array, a_folder,
        wrong_shape, wrong_order, one_image, none_inside, nothing_inside, two_that_fit,
        not_a_number, too_large, pickled, text,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, make):
    source, said = make(tmp_path)
    gc.freeze()  # only what is made below is searched for garbage
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        with pytest.raises(ResgenError, match=said) as refused:
            all_of(gather(source, network(), Preprocess()))
        assert refused.value.exit_code == 1
        del refused
        gc.collect()  # a file left open is told when it goes
    assert [str(w.message) for w in left if w.category is ResourceWarning] == []


def test_pictures_cannot_calibrate_what_takes_none(tmp_path):
    picture(tmp_path / "a.png")
    for graph, preprocess in ((network((2, 50)), Preprocess()), (network(), GRAY)):
        with pytest.raises(ResgenError, match="is no picture") as refused:
            gather(tmp_path, graph, preprocess)
        assert ".npz" in refused.value.hint


def test_right_classes_are_of_the_one_output_that_tells_classes(tmp_path):
    net = Builder((3, 16, 16))
    net.add("conv", Conv(out=4, kernel=3))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=3))
    two = net.graph(("maps", "conv"), ("scores", "fc"))
    inputs = np.random.default_rng(0).standard_normal((5, 3, 16, 16), np.float32)
    for names in (("a", "b", "c"), ("a", "b")):
        for name in names:
            (tmp_path / f"{len(names)}" / name).mkdir(parents=True)
            picture(tmp_path / f"{len(names)}" / name / "1.png")
    file = tmp_path / "x.npz"
    np.savez(file, x=inputs, labels=np.array([0, 1, 2, 2, 1]))
    assert gather(file, two, Preprocess()).targets.tolist() == [0, 1, 2, 2, 1]
    assert gather(tmp_path / "3", two, Preprocess()).targets.tolist() == [0, 1, 2]
    with pytest.raises(ResgenError, match="as many as its 3 classes"):
        gather(tmp_path / "2", two, Preprocess())

    both = net.graph(("first", "fc"), ("second", "flat"))
    for source in (file, tmp_path / "3"):
        with pytest.raises(ResgenError, match='tells classes by "first", "second"'):
            gather(source, both, Preprocess())
        with pytest.raises(ResgenError, match="has no scores of classes"):
            gather(source, net.graph(("maps", "conv")), Preprocess())
