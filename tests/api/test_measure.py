"""Times of blocks, and networks that are predicted from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import resgen
from resgen.cli import main
from resgen.errors import UsageError


@pytest.mark.slow
def test_a_spec_is_predicted_from_what_was_timed(tmp_path: Path) -> None:
    path, told = tmp_path / "table.json", []
    spec = json.loads(Path("specs/cifar/resnet20_cifar.json").read_text())
    spec["stages"] = [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}]
    found = resgen.measure(
        spec, out=path, minutes=0.05, threads=1, progress=told.append
    )
    assert any("resnet20_cifar" in line for line in told)
    assert found.to_dict()["networks"] >= 1
    seen = resgen.inspect(spec, latency=path, vary={"/stages/0/depth": [1, 3]})
    assert seen.latency is not None
    took = found.table.record.networks[0].seconds
    assert seen.latency.seconds == pytest.approx(took, rel=0.5)
    shallow, deep = (variant.latency for variant in seen.variants)
    assert shallow is not None
    assert deep is not None
    assert shallow.seconds < deep.seconds
    assert "latency" in str(seen)
    document = json.loads(json.dumps(seen.to_dict()))
    assert [p["path"] for p in document["latency"]["parts"] if p["kind"] == "section"]


def test_nothing_is_no_spec() -> None:
    with pytest.raises(UsageError, match="zoo"):
        resgen.measure([])


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    path.write_text("{}")
    done = CliRunner().invoke(main, ["inspect", "resnet18", "--latency", str(path)])
    assert done.exit_code == 1
    assert "resgen measure blocks" in done.output


def test_a_spec_that_is_none_is_told_before_anything_is_timed(tmp_path: Path) -> None:
    out = str(tmp_path / "t.json")
    done = CliRunner().invoke(main, ["measure", "blocks", "resnet81", "-o", out])
    assert done.exit_code == 1
    assert not Path(out).exists()
