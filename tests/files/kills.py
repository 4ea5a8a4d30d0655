"""Replaces a folder again and again, stopped by a signal at every step in turn.

    python tests/files/kills.py exchange|renames SIGNAL

Run as a program, for each process is forked from one that has no threads. Prints, as
JSON, how often a process was stopped and every state that must not be.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from resgen import interrupt
from resgen.files import place
from resgen.files.aside import sweep

#: What changes a folder, as the interpreter tells of it (PEP 578).
EVENTS = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"}
FILES = ("a", "b", "deep/c")


def make(target: Path, text: str) -> None:
    entries = {}
    with place.staged(target, force=True) as stage:
        for name in FILES:
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_text(text)
            digest = sha256(text.encode()).hexdigest()
            entries[name] = {"bytes": len(text), "sha256": digest}
        manifest = {"resgen_manifest": 1, "name": text, "files": entries}
        (stage / "manifest.json").write_text(json.dumps(manifest))


def seen(target: Path) -> str:
    """Which output is there: its text, if it is whole and others' file is there too."""
    try:
        texts = {(target / name).read_text() for name in FILES}
        texts.add(json.loads((target / "manifest.json").read_text())["name"])
        if (target / "deep/theirs").read_text() != "theirs":
            return "theirs is altered"
    except OSError as error:
        return f"{error.filename} is missing"
    return texts.pop() if len(texts) == 1 else f"mixed: {sorted(texts)}"


def stopped(target: Path, number: signal.Signals, step: int) -> bool:
    """Build in a process that gets the signal at this step; whether there was one."""
    pid = os.fork()
    if pid == 0:
        # What runs in the background is started deaf to interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.listen()
        code = 99
        try:
            count_down(number, step)
            make(target, "new")
            code = 0
        except KeyboardInterrupt:
            code = interrupt.exit_code() or 99
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    wanted = -number if number is signal.SIGKILL else 128 + number
    if code not in (0, wanted):
        raise SystemExit(f"exit code {code} after {number.name} at step {step}")
    return code != 0


def count_down(number: signal.Signals, step: int) -> None:
    left = step

    def tick() -> None:
        nonlocal left
        if left == 0:
            left -= 1
            os.kill(os.getpid(), number)
        left -= 1

    def hook(event: str, arguments: object) -> None:
        if event in EVENTS:
            tick()

    exchange: Callable[[Path, Path], bool] = place.exchange

    def between(one: Path, other: Path) -> bool:
        tick()
        done = exchange(one, other)
        tick()
        return done

    place.exchange = between
    sys.addaudithook(hook)


def try_all(folder: Path, number: signal.Signals, way: str) -> tuple[int, list[str]]:
    """Every step of one signal; how many there are, and what went wrong."""
    wrong = []
    step = 0
    while True:
        target = folder / "o"
        make(target, "old")
        (target / "deep/theirs").write_text("theirs")
        if not stopped(target, number, step):
            return step, wrong
        where = f"{number.name}, step {step}, {way}"
        if way == "renames":  # half-way there may be none, until the next run
            sweep(folder)
        if seen(target) not in ("old", "new"):
            wrong.append(f"{where}: {seen(target)}")
        make(target, "next")
        if seen(target) != "next":
            wrong.append(f"{where}, and the next run: {seen(target)}")
        if [path.name for path in folder.iterdir()] != ["o"]:
            wrong.append(f"{where}: {sorted(path.name for path in folder.iterdir())}")
        shutil.rmtree(target)
        step += 1


def main(way: str, name: str) -> None:
    # What a process wrote outlives it; flushing guards against a failing machine.
    os.fsync = lambda _: None
    if way == "renames":
        place.exchange = lambda one, other: False
    with tempfile.TemporaryDirectory() as folder:
        count, wrong = try_all(Path(folder), signal.Signals[name], way)
    print(json.dumps({"stopped": count, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
