"""What a mistake of a person's is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import resgen


def plain(**changed: Any) -> dict[str, Any]:
    """A small spec, with some of it changed."""
    return {
        "resgen": 1,
        "name": "plain",
        "input": [3, 8, 8],
        "stem": [],
        "stages": [{"block": "basic", "depth": 1, "width": 8}],
        "head": {"classes": 10},
        **changed,
    }


def test_a_mistake_in_a_depth_hides_no_other() -> None:
    spec = plain(
        stages=[
            {"block": "basic", "depth": "x", "width": 8},
            {"block": "basic", "depth": -1, "width": 8},
            {"block": "basik", "depth": 1, "width": 8},
        ],
        head={"classes": "ten"},
    )
    found = {problem.place.pointer for problem in resgen.check(spec)}
    assert found == {
        "/stages/0/depth", "/stages/1/depth", "/stages/2/block", "/head/classes",
    }  # fmt: skip


@pytest.mark.parametrize("begin", [b"\x89PNG\r\n", b"\xff\xd8\xff\xe0", b"GIF89a"])
def test_a_picture_is_no_spec(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(begin + bytes(99))
    (problem,) = resgen.check(path)
    assert problem.message == "this is a picture, and no spec"


def test_a_batch_that_no_memory_holds_is_named(tmp_path: Path) -> None:
    folder = resgen.build(plain(), tmp_path / "net", verify=False).folder
    for ask in (
        lambda: resgen.verify(folder, batch=10**9),
        lambda: resgen.build(plain(), tmp_path / "other", batch=10**9),
    ):
        with pytest.raises(
            resgen.ResgenError, match=r"memory for a batch of 1,000,000,000"
        ) as refused:
            ask()
        assert refused.value.hint == "batch=N says a smaller one"


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(resgen.ResgenError, match="is a link that leads to no folder"):
        resgen.build(plain(), tmp_path / "a", verify=False)


def test_a_runtime_is_known_by_its_beginning() -> None:
    with pytest.raises(resgen.ResgenError, match='did you mean "onnxruntime"'):
        resgen.profile(plain(), runtime="onnx")


@pytest.mark.parametrize("out", [None, "a b"])
def test_the_command_that_serves_names_the_folder(
    out: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    resgen.export(plain(), out, to="triton", verify=False, progress=said.append)
    folder = "build/plain-fp32-triton/repository" if out is None else "'a b/repository'"
    assert f"triton    tritonserver --model-repository {folder}" in said
    assert Path(folder.strip("'")).is_dir()
