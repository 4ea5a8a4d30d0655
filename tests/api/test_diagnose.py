"""``resgen.diagnose``: what the command does, as a function."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import SPEC

import resgen
from resgen.diagnosis.documents import DIAGNOSIS

QUICK = {"seeds": 1, "threads": 1, "batch": 16}


@pytest.mark.slow
def test_a_spec_is_diagnosed_and_shown(tmp_path: Path) -> None:
    found = resgen.diagnose(SPEC, **QUICK)
    assert found.folder is None
    assert found.verdict == "ok"
    assert "nothing at initialisation stands in the way" in str(found)
    assert "<li>" in found._repr_html_()
    assert DIAGNOSIS.from_json(found.to_dict(), Path("x")) == found.diagnosis
    assert found.diagnosis.command[:3] == ("resgen", "diagnose", "mine")


def test_maps_that_are_large_are_looked_at_in_smaller_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A block that widens six times holds 65 MB of an input, whatever it multiplies."""

    class Asked(Exception):
        pass

    def look(*_: object, **__: object) -> None:
        raise Asked

    monkeypatch.setattr("resgen.api.diagnose.look", look)
    heard: list[str] = []
    for source, said in (
        ("mobilenetv2_100", "a batch of 16 (--batch 64 is steadier, and takes 4 times"),
        ("resnet20_cifar", "a batch of 64"),
    ):
        with pytest.raises(Asked):
            resgen.diagnose(source, progress=heard.append)
        (told,) = (line for line in heard if "a batch of" in line)
        assert told.strip().startswith(said)
        heard.clear()


def test_mistakes_are_told_by_argument() -> None:
    with pytest.raises(resgen.ResgenError) as refused:
        resgen.diagnose(SPEC, resume=True)
    assert refused.value.message == "resume is for training"
    assert refused.value.hint == "add train STEPS"
    with pytest.raises(resgen.ResgenError, match="lr: 0 is not a number above 0"):
        resgen.diagnose(SPEC, lr=0)
