"""However a process ends, an output is whole, and the next run finds nothing left."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import resgen
from resgen.artifact.opened import open_folder
from resgen.files.aside import folder_aside, new_name, sweep

HERE = Path(__file__).parent


@pytest.mark.drawn(2)
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("way", ["exchange", "renames"])
@pytest.mark.slow
def test_at_every_step_the_old_or_the_new_output_is_whole(
    way: str, number: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "kills.py"), way, number],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["stopped"] > 10


def a_dead_name(folder: Path) -> Path:
    """What a process that has ended would have called its work."""
    code = (
        "from pathlib import Path; from resgen.files.aside import new_name;"
        f"print(new_name(Path({str(folder)!r})))"
    )
    return Path(
        subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    )


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    dead, dead_file = a_dead_name(tmp_path), a_dead_name(tmp_path)
    (dead / "new").mkdir(parents=True)
    dead_file.write_text("half")
    mine = new_name(tmp_path)
    mine.mkdir()
    # The same id, but a process that began at another time: the id was used again.
    again = tmp_path / re.sub(r"-\d+-([0-9a-f]+)$", r"-1-\1", mine.name)
    again.mkdir()
    another_machine = tmp_path / re.sub(
        r"-[0-9a-f]{8}-", "-00000000-", dead.name, count=1
    )
    another_machine.mkdir()
    link = a_dead_name(tmp_path)
    link.symlink_to(tmp_path)
    others = [".resgen-notes", ".resgen", "resgen-0", f"{dead.name}.bak"]
    for other in others:
        (tmp_path / other).mkdir()
    sweep(tmp_path)
    kept = {mine.name, another_machine.name, link.name, *others}
    assert {path.name for path in tmp_path.iterdir()} == kept
    os.utime(another_machine, (0, 0))
    sweep(tmp_path)
    assert not another_machine.exists()


def test_a_folder_whose_successor_never_came_is_put_back(tmp_path: Path) -> None:
    dead = a_dead_name(tmp_path)
    (dead / "old/o").mkdir(parents=True)
    (dead / "old/o/file").write_text("old")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["o"]
    assert (tmp_path / "o/file").read_text() == "old"


def test_a_folder_aside_is_private(tmp_path: Path) -> None:
    with folder_aside(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.soak
def test_random_kills(tmp_path: Path) -> None:
    """RESGEN_KILLS and RESGEN_SEED choose how many, and which."""
    count = int(os.environ.get("RESGEN_KILLS", "200"))
    seed = int(os.environ.get("RESGEN_SEED", "0"))
    moments = random.Random(seed)
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    build = [sys.executable, "-m", "resgen", "build", "resnet20_cifar", "-o", "out/o"]

    def one(share: float | None, number: signal.Signals) -> int:
        """Stopped after a share of the time between the first line and the end."""
        process = subprocess.Popen(
            build, cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        if share is not None:
            time.sleep(share * took)
            process.send_signal(number)
        errors = process.communicate()[1]
        assert "Traceback" not in errors, errors
        return process.returncode

    took = 0.0
    begin = time.monotonic()
    assert one(None, signal.SIGINT) == 0
    took = time.monotonic() - begin
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    for _ in range(count):
        number = moments.choice(list(codes))
        code = one(moments.random(), number)
        assert code in (0, codes[number])
        assert open_folder(out / "o").check_hashes() > 0
    assert one(None, signal.SIGINT) == 0
    assert [path.name for path in out.iterdir()] == ["o"]
    assert [p.name for p in temporary.iterdir() if p.name.startswith("resgen-")] == []
    assert resgen.load(str(out / "o/spec.json")).name == "resnet20_cifar"
