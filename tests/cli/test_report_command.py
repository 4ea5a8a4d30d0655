"""``resgen report``: from saved results to a page, Markdown, CSV and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from reports.diagnosed import diagnosis
from reports.make import record

from resgen.diagnosis.documents import DIAGNOSIS
from resgen.profiling.documents import REPORT

Run = Callable[..., Result]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``out/report.json``, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    REPORT.save(record(), tmp_path / "out" / "report.json")
    return Path("out/report.json")


def test_a_page_is_written_beside_a_single_result(run: Run, saved: Path) -> None:
    for named in (saved, saved.parent):
        page = saved.with_name("report.html")
        page.unlink(missing_ok=True)
        done = run("report", named)
        assert (done.exit_code, done.stdout) == (0, "")
        assert "report.html" in done.stderr
        assert page.read_text("utf-8").startswith("<!doctype html>")


def test_several_results_become_one_page_here(run: Run, saved: Path) -> None:
    again = saved.with_name("again.json")
    REPORT.save(record(created="2026-11-25T00:00:00+00:00"), again)
    assert run("report", saved, again).exit_code == 0
    assert "2 results" in Path("report.html").read_text("utf-8")


def test_other_forms_go_to_stdout(run: Run, saved: Path) -> None:
    assert run("report", saved, "--format", "md").stdout.startswith("## Latency of")
    table = run("report", saved, "--format", "csv", "--table", "operators").stdout
    assert table.startswith("network,created,runtime")
    copy = run("report", saved, "--format", "json").stdout
    assert json.loads(copy) == json.loads(saved.read_text("utf-8"))


@pytest.mark.parametrize("name", ["x.html", "x.md", "x.csv", "x.json"])
def test_the_name_says_the_form(run: Run, saved: Path, name: str) -> None:
    assert run("report", saved, "-o", name).exit_code == 0
    assert Path(name).stat().st_size > 0


def test_the_schema_is_published(run: Run) -> None:
    found = json.loads(run("report", "--schema").stdout)
    assert found["properties"]["resgen_report"]["const"] == 1
    found = json.loads(run("report", "--schema", "diagnosis").stdout)
    assert found["properties"]["resgen_diagnosis"]["const"] == 1


def test_a_diagnosis_is_rendered_in_every_form(run: Run, saved: Path) -> None:
    data = saved.with_name("diagnosis.json")
    DIAGNOSIS.save(diagnosis(), data)
    assert run("report", data).exit_code == 0
    assert "RG402" in data.with_suffix(".html").read_text("utf-8")
    assert run("report", data, "--format", "md").stdout.startswith("## Gradients by")
    table = run("report", data, "--format", "csv", "--table", "findings").stdout
    assert table.startswith("network,code,message")
    copy = run("report", data, "--format", "json").stdout
    assert json.loads(copy) == json.loads(data.read_text("utf-8"))
    mixed = run("report", data, saved)
    assert mixed.exit_code == 2
    assert "they do not go on one page" in mixed.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "no result is given"),
        (("none.json",), 1, "no such file"),
        (("out", "-o", "x.pdf"), 2, "does not say by its name"),
        (("out/report.json", "-o", "out/report.json"), 2, "would be overwritten"),
        (("out", "-o", "out/report.json"), 2, "would be overwritten"),
        (("out", "out", "--format", "json"), 1, "convert them one by one"),
        (("out", "-o", "none/x.html"), 1, "cannot write none/x.html"),
        (("bad.json",), 1, "altered after it was written"),
        (("out", "--format", "csv", "--table", "steps"), 2, "no table of steps"),
    ],
)
def test_mistakes(
    run: Run, saved: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    text = saved.read_text("utf-8")
    Path("bad.json").write_text(text.replace('"batch": 8', '"batch": 9', 1), "utf-8")
    done = run("report", *words)
    assert done.exit_code == code
    assert says in done.stderr
    assert saved.read_text("utf-8") == text


def test_no_engine_is_imported(saved: Path) -> None:
    code = (
        "import sys; from resgen.cli import main; "
        f"main(['report', {str(saved)!r}], standalone_mode=False); "
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy', 'tensorrt'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["report", "profile", "diagnose"])
@pytest.mark.slow
def test_a_page_of_somebodys_is_not_overwritten_unasked(
    run: Run, saved: Path, command: str
) -> None:
    name = "diagnosis.html" if command == "diagnose" else "report.html"
    theirs = saved.with_name(name)
    theirs.write_text("<!doctype html>my notes", "utf-8")
    words = {
        "report": ["report", "out"],
        "profile": ["profile", "resnet20_cifar", "--time", "0.1", "-o", "out"],
        "diagnose": ["diagnose", "resnet20_cifar", "-o", "out"],
    }
    done = run(*words[command])
    assert done.exit_code == 1
    assert f"{name} was not written by resgen" in done.stderr
    assert theirs.read_text("utf-8") == "<!doctype html>my notes"


def test_what_is_named_with_o_and_is_no_file_stays(run: Run, saved: Path) -> None:
    Path("null").symlink_to("/dev/null")
    Path("page.html").symlink_to("out/real.html")
    assert run("report", saved, "--format", "md", "-o", "null").exit_code == 0
    assert Path("null").is_char_device()
    assert run("report", saved, "-o", "page.html").exit_code == 0
    assert Path("page.html").is_symlink()
    assert "Rendered by resgen" in Path("out/real.html").read_text("utf-8")
