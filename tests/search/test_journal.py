"""The journal of a search on a machine that fails it."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from lessons import journal

from resgen.errors import ResgenError
from resgen.searching.halving import Reached


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_told_of_the_journal_which_goes_on_when_there_is_room(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    kept = journal(tmp_path)
    reached = Reached("small", 3, 1, 2, 0.5, "80")

    def write(file: int, text: bytes) -> int:
        """A half fits, and then nothing."""
        if len(text) < 20:
            full(file)
        return real(file, text[: len(text) // 2])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.write
    with monkeypatch.context() as disk:
        disk.setattr(os, call, {"write": write, "fsync": full}[call])
        with pytest.raises(ResgenError) as said:
            kept.reach("lesson", reached)
    assert str(kept.path) in said.value.message
    assert said.value.message.endswith("no space left on device")
    kept.reach("lesson", reached)
    again = journal(tmp_path)
    assert again.reached == kept.reached == {"lesson": {("small", 3): reached}}
