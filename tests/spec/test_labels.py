"""Names of classes, from every kind of file that people keep them in."""

from __future__ import annotations

import json

import pytest

from resgen.errors import ResgenError
from resgen.expansion.network import examine, load
from resgen.spec.labels import read_labels

NAMES = ("tench", "Käse", "犬, dog")
SPEC = {
    "resgen": 1,
    "name": "n",
    "input": [3, 32, 32],
    "stem": "cifar",
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-16-le"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_in_any_encoding_that_it_marks(tmp_path, encoding, end):
    mark = "\ufeff" if encoding[-2:] in ("be", "le") else ""
    path = tmp_path / "labels.txt"
    path.write_bytes((mark + end.join((*NAMES, ""))).encode(encoding))
    assert read_labels(path) == NAMES
    spec = {**SPEC, "labels": "labels.txt"}
    (tmp_path / "net.json").write_text(json.dumps(spec))
    assert load(tmp_path / "net.json").labels == NAMES


@pytest.mark.parametrize(
    "value",
    [
        list(NAMES),
        {str(i): name for i, name in enumerate(NAMES)},
        {str(i): NAMES[i] for i in (2, 0, 1)},
        {str(i): [f"n0144076{i}", name] for i, name in enumerate(NAMES)},
        [[f"n0144076{i}", name] for i, name in enumerate(NAMES)],
    ],
    ids=["list", "object", "unordered", "keras", "pairs"],
)
def test_json_in_a_file_and_in_the_spec(tmp_path, value):
    (tmp_path / "labels.json").write_text(json.dumps(value), "utf-8-sig")
    for labels in ("labels.json", value):
        (tmp_path / "net.json").write_text(json.dumps({**SPEC, "labels": labels}))
        assert load(tmp_path / "net.json").labels == NAMES


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"0": "a", "2": "b"}, 'there is no "1"'),
        ({"a": 0, "b": 1}, 'there is no "0"'),
        ([1, 2, 3], "class 0 is not a string"),
        ([[], "a"], "class 0 is not a string"),
        (True, "labels"),
    ],
)
def test_what_names_nothing_is_refused_at_its_place(tmp_path, value, says):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**SPEC, "labels": value}))
    found = [p for p in examine(path).problems if p.severity == "error"]
    assert [says in problem.message for problem in found] == [True]
    assert found[0].place.pointer == "/labels"


def test_a_mask_has_a_label_for_each_of_its_classes(tmp_path):
    scores = {"op": "conv", "as": "c", "out": 4, "kernel": 1}
    mask = [scores, {"op": "resize", "like": "input", "mode": "bilinear"}]
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**SPEC, "head": mask, "labels": list(NAMES)}))
    (found,) = examine(path).problems
    assert (found.code, found.place.pointer) == ("RG013", "/labels")
    assert found.message == "3 labels for 4 outputs"
    path.write_text(json.dumps({**SPEC, "head": mask, "labels": [*NAMES, "last"]}))
    assert not examine(path).problems


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "labels.txt"
    for content in (b"\xff\xfe\x00", b"caf\xe9\n", b"\x89PNG\r\n"):
        path.write_bytes(content)
        with pytest.raises(ResgenError, match=r"labels\.txt is no text"):
            read_labels(path)
    with pytest.raises(ResgenError, match="directory"):
        read_labels(tmp_path)
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ResgenError, match="not JSON"):
        read_labels(tmp_path / "a.json")
