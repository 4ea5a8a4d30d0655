"""A file appears whole or not at all, and only files are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resgen.errors import ResgenError
from resgen.files.whole import (
    copy,
    make_folder,
    require_file,
    require_writable,
    whole,
    write_text,
)


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_text(path, "1")
    path.chmod(0o600)
    write_text(path, "2")
    assert path.read_text() == "2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
def test_the_umask_holds(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "x", "1")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "1")

    def work() -> None:
        with whole(tmp_path / "x") as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (tmp_path / "x").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_text("1")
    (tmp_path / "x").symlink_to("real/x")
    (tmp_path / "new").symlink_to("real/new")
    write_text(tmp_path / "x", "2")
    write_text(tmp_path / "new", "3")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "new").is_symlink()
    assert (tmp_path / "real/x").read_text() == "2"
    assert (tmp_path / "real/new").read_text() == "3"


def test_a_pipe_that_is_read_takes_the_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ResgenError, match="a pipe that nobody reads"):
        write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()


def test_devices_stay_devices(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "text")
    assert (tmp_path / "null").is_char_device()
    with pytest.raises(ResgenError, match="no space left on device"):
        write_text(Path("/dev/full"), "text")


def test_what_a_shell_has_appended_to_stays(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from resgen.files.whole import write_text;"
        "write_text(Path('/dev/stdout'), 'new')"
    )
    (tmp_path / "all").write_text("old ")
    with (tmp_path / "all").open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "all").read_text() == "old new"


@pytest.mark.parametrize("name", ["folder", "none/x", "x" * 300])
def test_what_cannot_be_written_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResgenError, match="cannot write"):
        write_text(tmp_path / name, "1")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    content = os.urandom(1 << 16)
    (tmp_path / "a").write_bytes(content)
    copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    assert not (tmp_path / "a").samefile(tmp_path / "b")


def test_a_folder_is_not_made_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ResgenError, match="x is a file"):
        make_folder(tmp_path / "x")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="nobody can write there")
def test_what_nobody_can_write_is_refused_before_work(tmp_path: Path) -> None:
    require_writable(tmp_path / "a/b/c")
    require_file(tmp_path / "c")
    require_file(Path("/dev/null"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ResgenError, match="cannot write /proc/a/b: "):
        require_writable(Path("/proc/a/b"))
    with pytest.raises(ResgenError, match="cannot write /proc/b: "):
        require_file(Path("/proc/b"))
