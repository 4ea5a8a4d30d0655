"""Addresses of hosts: what ssh is told is what was written, and nothing else."""

from __future__ import annotations

import pytest

from resgen.leases.address import ADDRESS, Address


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ssh://board", Address("board")),
        ("ssh://pi@board.local:2222", Address("board.local", "pi", 2222)),
        ("ssh://[fe80::1%eth0]:22", Address("fe80::1%eth0", None, 22)),
        (
            "ssh://board/opt/it's mine/python",
            Address("board", python="/opt/it's mine/python"),
        ),
    ],
)
def test_an_address_is_read_and_written(word: str, expected: Address) -> None:
    assert ADDRESS.read(word) == expected
    assert ADDRESS.write(expected) == word
    assert ADDRESS.check(expected) is expected


@pytest.mark.parametrize(
    "word",
    [
        "board", "http://board", "ssh://", "ssh://-oProxyCommand=id", "ssh://a b",
        "ssh://-x@board", "ssh://a@b@c", "ssh://board:0", "ssh://board:70000",
        "ssh://board;id", "ssh://$(id)", "ssh://board/", "ssh://board/a\nb",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is no address such as ssh://pi@board"):
        ADDRESS.read(word)
