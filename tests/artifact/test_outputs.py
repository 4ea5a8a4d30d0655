"""Folders of networks that give out several values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resgen
from resgen.artifact.answers.base import Found
from resgen.errors import ResgenError
from resgen.pictures.preprocess import prepare

pytestmark = pytest.mark.slow

MAPS = {"from": "stages[1:]"}
SCORES = ["global_pool", "flatten", {"op": "linear", "as": "fc", "out": 10}]


def built(folder: Path, outputs: dict[str, Any]) -> Path:
    spec = {
        "resgen": 1,
        "name": "several",
        "input": [3, 32, 32],
        "stem": "cifar",
        "stages": [{"block": "basic", "width": w, "depth": 1} for w in (8, 16, 24)],
        "head": {"outputs": outputs},
    }
    resgen.build(spec, folder / "out")
    return folder / "out"


@pytest.fixture
def picture() -> Path:
    import skimage.data

    return Path(skimage.data.__file__).parent / "coffee.png"


def test_they_are_proven_and_the_scores_predicted(
    tmp_path: Path, picture: Path
) -> None:
    folder = built(tmp_path, {"maps": MAPS, "scores": SCORES})
    assert str(resgen.verify(folder)).endswith("is proven")
    (found,) = resgen.predict(folder, picture, top=3).predictions
    assert len(found.found) == 3


def test_an_embedding_beside_the_scores_tells_no_classes(
    tmp_path: Path, picture: Path
) -> None:
    vector = {"use": "embedding", "as": "vector", "with": {"size": 4}}
    folder = built(tmp_path, {"alike": vector, "scores": SCORES})
    (found,) = resgen.predict(folder, picture, top=9).predictions
    assert len(found.found) == 9
    with pytest.raises(ResgenError, match='scores of classes in "scores", and "alike"'):
        resgen.predict(folder, picture, output="alike")


def test_which_scores_is_asked(tmp_path: Path, picture: Path) -> None:
    other = [*SCORES[:2], {"op": "linear", "as": "other", "out": 4}]
    folder = built(tmp_path, {"first": SCORES, "maps": MAPS, "second": other})
    with pytest.raises(ResgenError, match='"first", "second"') as refused:
        resgen.predict(folder, picture)
    assert refused.value.hint == "name one of them as the output"
    (found,) = resgen.predict(folder, picture, output="second").predictions
    assert len(found.found) == 4
    with pytest.raises(ResgenError, match='no output "secnd"; did you mean "second"'):
        resgen.predict(folder, picture, output="secnd")


def test_maps_are_no_scores(tmp_path: Path, picture: Path) -> None:
    folder = built(tmp_path, {"maps": MAPS})
    with pytest.raises(ResgenError, match=r"maps\.0 \(16 x 16 x 16\)"):
        resgen.predict(folder, picture)


def test_outputs_that_changed_places_are_seen(tmp_path: Path) -> None:
    import onnx

    folder = built(tmp_path, {"a": {"from": "stages[1]"}, "b": {"from": "stages[2]"}})
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    first, second = model.graph.output
    first.name, second.name = second.name, first.name
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ResgenError):
        resgen.verify(folder)


# --- masks ----------------------------------------------------------------------------

MASK = [
    {"op": "conv", "as": "classes", "out": 3, "kernel": 1, "bias": True},
    {"op": "resize", "like": "input", "mode": "bilinear"},
]
TINY: dict[str, Any] = {
    "resgen": 1,
    "name": "tiny",
    "input": [3, 32, 32],
    "stem": "cifar",
    "stages": [{"block": "basic", "width": 8, "depth": 1, "stride": 2}],
    "head": MASK,
    "labels": ["sky", "sea", "sand"],
    "preprocess": {"resize": 32},
}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masked") / "out"
    return Path(resgen.build(TINY, folder, verify=False).folder)


def test_a_mask_is_what_the_file_gives(masked: Path, tmp_path: Path) -> None:
    """Told and drawn in the picture's own pixels, which here are the input's."""
    onnxruntime = pytest.importorskip("onnxruntime")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    done = resgen.predict(masked, tmp_path / "noise.png", draw=tmp_path / "drawn")
    spec = resgen.load(masked / "spec.json")
    session = onnxruntime.InferenceSession(masked / "model.onnx")
    given = prepare(noise, spec.preprocess, spec.input)[None]
    wanted = session.run(None, {"input": given})[0][0].argmax(0)
    counts = np.bincount(wanted.ravel(), minlength=3)

    (told,) = done.to_dict()
    assert told["drawn"] == str(tmp_path / "drawn" / "noise.png")
    shares = {each["index"]: each["share"] for each in told["classes"]}
    assert shares == {int(i): counts[i] / 1024 for i in np.flatnonzero(counts)}
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    labels = {each["index"]: each["label"] for each in told["classes"]}
    assert labels == {i: TINY["labels"][i] for i in shares}

    drawn = np.asarray(Image.open(told["drawn"]).convert("RGB"))[:32, :32].astype(float)
    for index in shares:
        # 45 % of the picture, and the rest one colour wherever the class is.
        rest = (drawn - 0.45 * noise)[wanted == index] / 0.55
        assert np.ptp(rest, axis=0).max() < 3


def test_a_mask_is_brought_back_to_the_picture(masked: Path, tmp_path: Path) -> None:
    picture = np.full((60, 90, 3), 90, np.uint8)
    picture[:, 45:] = 200
    Image.fromarray(picture).save(tmp_path / "halves.png")
    done = resgen.predict(masked, tmp_path / "halves.png", draw=tmp_path / "drawn")
    drawn = Image.open(tmp_path / "drawn" / "halves.png")
    assert drawn.width >= 90
    assert drawn.height > 60
    # Of the width two thirds are seen: the middle square.
    drawn = np.asarray(drawn.convert("RGB"))[:60, :90]
    np.testing.assert_array_equal(drawn[:, :15], picture[:, :15])
    np.testing.assert_array_equal(drawn[:, 75:], picture[:, 75:])
    assert (drawn[:, 15:75] != picture[:, 15:75]).any(2).all()
    assert sum(each.part for each in done.predictions[0].found) == pytest.approx(1)


def test_drawings_take_no_pictures_place(masked: Path, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.bmp"):
        Image.new("RGB", (40, 40), "red").save(tmp_path / name)
    with pytest.raises(ResgenError, match="holds the pictures themselves"):
        resgen.predict(masked, tmp_path, draw=tmp_path / "x" / "..")
    done = resgen.predict(masked, tmp_path, draw=tmp_path / "drawn", top=1)
    names = [each.drawn.name for each in done.predictions if each.drawn]
    assert sorted(names) == ["a-2.png", "a-3.png", "a.png"]
    assert all(len(each.found) == 1 for each in done.predictions)


def test_features_are_a_mask_only_if_they_are_named(
    tmp_path: Path, picture: Path
) -> None:
    spec = {**TINY, "head": {"outputs": {"maps": {"from": "stages[0]"}}}}
    resgen.build(spec, tmp_path / "out", verify=False)
    with pytest.raises(ResgenError, match="and no scores of classes") as refused:
        resgen.predict(tmp_path / "out", picture)
    assert refused.value.hint == 'output="maps" reads that map as a mask'
    (found,) = resgen.predict(tmp_path / "out", picture, output="maps").predictions
    assert {each.index for each in found.found} <= set(range(8))
    assert {each.label for each in found.found} == {None}


def test_a_classifiers_drawing_has_its_best_class(
    tmp_path: Path, picture: Path
) -> None:
    folder = built(tmp_path, {"scores": SCORES})
    (found,) = resgen.predict(folder, picture, draw=tmp_path / "drawn").predictions
    drawn, original = Image.open(found.drawn), Image.open(picture)
    assert drawn.height > original.height
    top = drawn.crop((0, 0, *original.size))
    assert top.tobytes() == original.convert("RGB").tobytes()
    below = drawn.crop((0, original.height, *drawn.size))
    assert below.getextrema() == ((0, 255),) * 3


# --- the same class -------------------------------------------------------------------


def test_the_class_that_agrees_is_of_a_named_output(tmp_path: Path) -> None:
    other = [*SCORES[:2], {"op": "linear", "as": "other", "out": 4}]
    folder = built(tmp_path, {"first": SCORES, "maps": MAPS, "second": other})
    said: list[str] = []
    probe = resgen.verify(folder, progress=said.append).record["probe"]
    assert probe["top1"] == [4, 4]
    assert probe["top1_output"] == "first"
    assert 'the same class by "first" for 4 of 4' in "\n".join(said)


def test_a_mask_has_no_class(masked: Path) -> None:
    said: list[str] = []
    record = resgen.verify(masked, progress=said.append).record
    assert record["probe"]["top1"] is None
    assert "of the output's range" in "\n".join(said)
    assert "the same class" not in "\n".join(said)


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("caf\u00e9, 50 %", "cafe, 50 %"),
        ("\ufb01eld", "field"),
        ("\u72ac", "class 7"),
        ("stra\u00dfe", "class 7"),
        (None, "class 7"),
        ("x" * 70, "x" * 57 + "..."),
        ("two\nlines", "two\\nlines"),
    ],
)
def test_a_drawing_has_letters_that_its_font_has(
    label: str | None, written: str
) -> None:
    assert Found(7, label).written == written
