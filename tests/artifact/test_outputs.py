"""Folders of networks that give out several values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import resgen
from resgen.errors import ResgenError

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
    assert len(found.classes) == 3


def test_which_scores_is_asked(tmp_path: Path, picture: Path) -> None:
    other = [*SCORES[:2], {"op": "linear", "as": "other", "out": 4}]
    folder = built(tmp_path, {"first": SCORES, "maps": MAPS, "second": other})
    with pytest.raises(ResgenError, match='"first", "second"') as refused:
        resgen.predict(folder, picture)
    assert refused.value.hint == "name one: output=NAME"
    (found,) = resgen.predict(folder, picture, output="second").predictions
    assert len(found.classes) == 4
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
