"""What is no ordinary file is refused at once, whoever would read it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from resgen.errors import ResgenError
from resgen.files.ordinary import check_file, open_file, read_bytes, read_text


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("é\n", "utf-8")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link") == "é\n"
    assert read_bytes(str(tmp_path / "file")) == "é\n".encode()


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            listening.bind(str(path))
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(ResgenError, match="cannot read"):
            check_file(path)


def test_a_pipe_and_a_device_are_called_by_their_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe and no ordinary file"):
        open_file(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a device and no ordinary file"):
        open_file("/dev/zero")


@pytest.mark.parametrize("name", ["missing", "folder", "a\0b", "x" * 300])
def test_what_cannot_be_opened_is_an_oserror(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"."):
        open_file(tmp_path / name)
