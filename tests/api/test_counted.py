"""What networks cost, counted once."""

from __future__ import annotations

from pathlib import Path

import pytest

import resgen
from resgen.api.catalogue import counted
from resgen.api.catalogue.published import Published
from resgen.words.progress import SILENT, Lines

KNOWN = {
    f"resnet18@{size}": Published("resnet18", "own", size, 70.0, "a test", True)
    for size in (64, 96)
}


def test_networks_are_counted_once_and_again_by_other_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path))
    asked: list[str] = []

    def at_size(each: Published) -> resgen.Graph:
        asked.append(f"{each.network}@{each.size}")
        return made(each)

    made = counted.at_size
    monkeypatch.setattr(counted, "at_size", at_size)
    first = counted.counted({"resnet18@64": KNOWN["resnet18@64"]}, SILENT)
    both = counted.counted(KNOWN, SILENT)
    assert asked == [*KNOWN]
    assert both["resnet18@64"] == first["resnet18@64"]
    assert counted.counted(KNOWN, SILENT) == both
    assert asked == [*KNOWN]
    graph = resgen.expand(resgen.load("resnet18", ["/input=[3,96,96]"]))
    macs, moved, kernels = both["resnet18@96"].costs(2)
    assert macs == 2 * resgen.analyse(graph).macs
    assert moved > 4 * both["resnet18@96"].params == 4 * graph.params
    assert kernels > 20
    # Other code may count otherwise, and what is broken tells nothing.
    monkeypatch.setattr(counted, "_version", lambda: "another")
    assert counted.counted(KNOWN, SILENT) == both
    assert len(asked) == 4
    (file,) = tmp_path.rglob("*.json")
    file.write_text("[]")
    assert counted.counted(KNOWN, SILENT) == both
    assert len(asked) == 6


def test_a_cache_that_cannot_be_written_is_told_and_not_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path / "file"))
    told: list[str] = []
    found = counted.counted({"resnet18@64": KNOWN["resnet18@64"]}, Lines(told.append))
    assert found["resnet18@64"].params == 11_689_512
    (line,) = (line for line in told if "cache" in line)
    assert "nothing is kept for the next time: cannot write" in line
