"""What `pip install resgen` puts on a machine, and what it leaves alone.

The wheel is installed into an environment that holds the core's dependencies and
nothing else but two strangers: an old torch and an old onnxruntime-gpu, which are
empty but for their names. pip may look nowhere (no index, no configuration), so it
fails if the core asks for anything that is not there, such as another torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]

# Older than anything that the extras accept: a range that slipped into the core would
# make pip replace them.
STRANGERS = {"torch": "1.13.1+somebodys", "onnxruntime-gpu": "1.12.0"}
# Never lent to the clean environment: the strangers, and what would overwrite one.
WITHHELD = {*STRANGERS, "onnxruntime"}


def pip(*arguments: str, python: Path | str = sys.executable) -> str:
    """Run pip without configuration or index; its output, or the test fails.

    It is the pip of this environment, which works upon that of ``python``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "--python", str(python),
         *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def versions(python: Path) -> dict[str, str]:
    """What is installed beside this Python, by name."""
    rows = json.loads(pip("list", "--format=json", python=python))
    return {canonicalize_name(row["name"]): row["version"] for row in rows}


def write_stranger(folder: Path, name: str, version: str) -> Path:
    """A wheel that contains only its metadata."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    texts["RECORD"] = "".join(f"{info}/{file},,\n" for file in [*texts, "RECORD"])
    path = folder / f"{stem}-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for file, text in texts.items():
            archive.writestr(f"{info}/{file}", text)
    return path


def core_requirements(wheel: Path) -> list[Requirement]:
    """What the wheel asks for without any extra."""
    with ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    every = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    return [need for need in every if applies(need)]


def applies(need: Requirement) -> bool:
    """Whether this Python, with no extra, needs it."""
    return need.marker is None or need.marker.evaluate({"extra": ""})


def lend(needs: list[Requirement], site: Path) -> None:
    """Link distributions of this environment, and what they need, into another.

    The result is what installing them would give, without a network.
    """
    waiting = [need.name for need in needs]
    lent: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in lent | WITHHELD:
            continue
        lent.add(name)
        found = distribution(name)
        for file in found.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
        inner = [Requirement(text) for text in found.requires or ()]
        waiting += [need.name for need in inner if applies(need)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index")
    pip(*build, "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("resgen-*.whl")
    return path


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the core's dependencies and the strangers."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env" / "lib").glob("python3*/site-packages")
    lend(core_requirements(wheel), site)
    strangers = [write_stranger(folder, *item) for item in STRANGERS.items()]
    pip("install", "--no-index", "--no-compile", *map(str, strangers), python=python)
    return python


@pytest.fixture(scope="module")
def installed(clean: Path, wheel: Path) -> tuple[Path, Mapping[str, str]]:
    """That Python after ``pip install resgen``, and its versions from before."""
    before = versions(clean)
    pip("install", "--no-index", "--no-compile", str(wheel), python=clean)
    return clean, before


def test_the_wheel_carries_the_zoo_and_no_tests(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    zoo = {name.removeprefix("resgen/zoo/") for name in inside if "/zoo/" in name}
    specs = ROOT / "specs"
    assert zoo == {path.relative_to(specs).as_posix() for path in specs.rglob("*.json")}
    assert "resgen/zoo/resnet50.json" in inside
    tops = {name.split("/")[0] for name in inside}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"resgen"}


def test_the_wheel_carries_every_file_of_the_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "resgen"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert {name for name in tracked.split("\0") if name} <= inside


def test_the_core_leaves_another_torch_and_onnxruntime_alone(
    installed: tuple[Path, Mapping[str, str]],
) -> None:
    python, before = installed
    after = versions(python)
    added = {name: after[name] for name in after.keys() - before.keys()}
    assert set(added) == {"resgen"}
    assert {name: after[name] for name in before} == before
    assert {name: after[name] for name in STRANGERS} == STRANGERS


def test_an_installed_resgen_builds_a_network_by_name(
    installed: tuple[Path, Mapping[str, str]], tmp_path: Path
) -> None:
    python, _ = installed
    here = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(python.parent / "resgen"), "build", "resnet18", "--no-verify"],
        cwd=tmp_path,
        env=here,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "build" / "resnet18"
    assert {path.name for path in built.iterdir()} >= {
        "spec.json",
        "graph.json",
        "weights.safetensors",
        "model.onnx",
        "manifest.json",
    }
    # 11,689,512 parameters of 4 bytes, batch norms folded into 20 biases.
    assert (built / "model.onnx").stat().st_size == pytest.approx(46.75e6, rel=0.01)
