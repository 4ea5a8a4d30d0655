"""A folder takes the place of an earlier one, and nothing of anybody's is lost."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from resgen.errors import ResgenError, UsageError
from resgen.files import place
from resgen.files.place import staged


def write(folder: Path, files: dict[str, str]) -> None:
    """A folder as resgen makes it: files, and the manifest that lists them."""
    entries = {}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        digest = sha256(text.encode()).hexdigest()
        entries[name] = {"bytes": len(text), "sha256": digest}
    manifest = {"resgen_manifest": 1, "files": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def make(target: Path, files: dict[str, str], *, force: bool = False) -> None:
    with staged(target, force=force) as stage:
        write(stage, files)


def tree(folder: Path) -> dict[str, str]:
    """All files by path, but the manifest."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.fixture(params=["exchange", "renames"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of taking a place: a system with an exchange, and one without."""
    if request.param == "renames":
        monkeypatch.setattr(place, "exchange", lambda one, other: False)


def test_an_earlier_output_is_replaced_and_nothing_stays_aside(tmp_path: Path) -> None:
    make(tmp_path / "o", {"a": "1", "deep/b": "1", "gone": "1"})
    make(tmp_path / "o", {"a": "2", "deep/b": "2"})
    assert tree(tmp_path / "o") == {"a": "2", "deep/b": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize(
    "manifest",
    [
        '{"files": ["dist", ".git"]}',
        '{"files": {"dist": {"bytes": 1, "sha256": "0"}}}',
        '{"resgen_manifest": 1, "files": ["dist"]}',
        '{"resgen_manifest": 1, "files": {"dist": "x"}}',
        '{"resgen_manifest": {"x": 1}, "files": {}}',
        # As a tool may write it that knows of resgen.
        json.dumps(
            {
                "resgen": "1",
                "files": {
                    "dist/app.js": {"bytes": 4, "sha256": sha256(b"mine").hexdigest()}
                },
            }
        ),
        "[" * 100_000,
        "null",
        "{",
    ],
)
def test_a_manifest_of_another_tool_makes_no_folder_ours(
    tmp_path: Path, manifest: str
) -> None:
    (tmp_path / "o/dist").mkdir(parents=True)
    (tmp_path / "o/dist/app.js").write_text("mine")
    (tmp_path / "o/manifest.json").write_text(manifest)
    with pytest.raises(ResgenError, match=r"resgen did not write.*dist/"):
        make(tmp_path / "o", {"a": "1"})
    with pytest.raises(ResgenError, match=r"manifest\.json is not resgen's"):
        make(tmp_path / "o", {"a": "1"}, force=True)
    assert tree(tmp_path / "o") == {"dist/app.js": "mine"}
    assert (tmp_path / "o/manifest.json").read_text() == manifest


FOREIGN = ["x", "deep/x", "deep/er/x", ".git/objects/aa/bb"]


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_put_into_our_folder_stays(tmp_path: Path, name: str) -> None:
    make(tmp_path / "o", {"a": "1", "deep/b": "1"})
    theirs = tmp_path / "o" / name
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("theirs")
    with pytest.raises(ResgenError, match="did not write") as refused:
        make(tmp_path / "o", {"a": "2"})
    assert "force=True" in (refused.value.hint or "")
    assert tree(tmp_path / "o") == {"a": "1", "deep/b": "1", name: "theirs"}
    make(tmp_path / "o", {"a": "2"}, force=True)
    assert tree(tmp_path / "o") == {"a": "2", name: "theirs"}


def test_others_links_pipes_and_empty_folders_come_along(tmp_path: Path) -> None:
    make(tmp_path / "o", {"a": "1"})
    (tmp_path / "o/empty").mkdir(mode=0o700)
    (tmp_path / "o/sub").mkdir()
    (tmp_path / "o/sub/link").symlink_to("nowhere")
    (tmp_path / "o/folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "o/pipe")
    make(tmp_path / "o", {"a": "2"}, force=True)
    assert (tmp_path / "o/empty").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "o/sub/link").readlink() == Path("nowhere")
    assert (tmp_path / "o/folder").readlink() == tmp_path
    assert (tmp_path / "o/pipe").is_fifo()
    assert (tmp_path / "o/a").read_text() == "2"


@pytest.mark.parametrize("kind", ["altered", "folder", "link", "above"])
def test_a_file_of_others_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    make(tmp_path / "o", {"a": "1"})
    if kind == "altered":
        (tmp_path / "o/a").write_text("mended by hand")
    elif kind == "folder":
        (tmp_path / "o/b").mkdir()
        (tmp_path / "o/b/x").write_text("theirs")
    elif kind == "link":
        (tmp_path / "o/b").symlink_to(tmp_path)
    else:
        (tmp_path / "o/deep").write_text("theirs")
    before = tree(tmp_path / "o")
    new = {"a": "2", "b": "2", "deep/c": "2"}
    for force in (False, True):
        with pytest.raises(ResgenError, match=r"not resgen's|did not write"):
            make(tmp_path / "o", new, force=force)
    with (
        pytest.raises(ResgenError, match="not resgen's"),
        staged(tmp_path / "o", force=True, names=new),
    ):
        pytest.fail("it has to be refused before the work")
    assert tree(tmp_path / "o") == before
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_what_comes_while_we_work_stays(tmp_path: Path) -> None:
    make(tmp_path / "o", {"a": "1"})

    def work(*, force: bool) -> None:
        with staged(tmp_path / "o", force=force) as stage:
            write(stage, {"a": "2", "late": "2"})
            (tmp_path / "o/late").write_text("theirs")

    for force in (False, True):
        with pytest.raises(ResgenError, match=r"did not write|not resgen's"):
            work(force=force)
        assert tree(tmp_path / "o") == {"a": "1", "late": "theirs"}


def test_what_comes_in_the_last_instant_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "o", {"a": "1"})
    carry = place._carry

    def slow(*words: object) -> bool:
        if not (tmp_path / "o/late").exists():
            (tmp_path / "o/late").write_text("theirs")
        return carry(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(place, "_carry", slow)
    with pytest.raises(ResgenError, match="did not write"):
        make(tmp_path / "o", {"a": "2"})
    assert tree(tmp_path / "o") == {"a": "1", "late": "theirs"}
    make(tmp_path / "o", {"a": "2"}, force=True)
    assert tree(tmp_path / "o") == {"a": "2", "late": "theirs"}


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    make(tmp_path / "real", {"a": "1"})
    (tmp_path / "o").symlink_to("real")
    make(tmp_path / "o", {"a": "2"})
    assert (tmp_path / "o").is_symlink()
    assert tree(tmp_path / "real") == {"a": "2"}


def test_its_own_source_is_not_replaced(tmp_path: Path) -> None:
    make(tmp_path / "o", {"a": "1"})
    (tmp_path / "same").symlink_to("o")
    for target in ("o", "same"):
        with (
            pytest.raises(UsageError, match="holds a, which this is made from"),
            staged(tmp_path / target, force=True, source=tmp_path / "o/a"),
        ):
            pytest.fail("it has to be refused before the work")


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o700), (0o027, 0o750)])
def test_the_umask_holds(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        make(tmp_path / "o", {"a": "1"})
    finally:
        os.umask(before)
    assert (tmp_path / "o").stat().st_mode & 0o777 == mode
    # Who has closed his folder finds it closed when it is built again.
    make(tmp_path / "o", {"a": "2"})
    assert (tmp_path / "o").stat().st_mode & 0o777 == mode


def test_a_failure_leaves_all_as_it_was(tmp_path: Path) -> None:
    make(tmp_path / "o", {"a": "1"})

    def work() -> None:
        with staged(tmp_path / "o", force=False) as stage:
            write(stage, {"a": "2"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert tree(tmp_path / "o") == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_no_folder_has_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResgenError, match="cannot write"):
        make(tmp_path / name, {"a": "1"})
