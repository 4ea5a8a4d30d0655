"""Devices leased over ssh, from a real sshd and from hosts that play one."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from getpass import getuser
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from leases.conftest import Server, program
from small_subject import SPEC, onnx_file

import resgen
from resgen.api.asked.profile import Profiling
from resgen.api.sources import carried
from resgen.artifact.prepared import Prepared
from resgen.document.files import plain
from resgen.errors import ResgenError, UsageError
from resgen.files.hashed import Entry, sha256_of
from resgen.latency.measure import conditions, looked
from resgen.leases import host as hosts
from resgen.leases import lease
from resgen.leases.address import ADDRESS, Address
from resgen.leases.lease import leased
from resgen.leases.link import ConnectionLost
from resgen.machine import environment, snapshot
from resgen.machine.cores import available_cores
from resgen.machine.steadiness import glance
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import Measured, Pair, among, measured
from resgen.profiling.comparison.waterfall import Waterfall, waterfall
from resgen.profiling.statistics.decide import decide
from resgen.records.comparison import Difference, PartTimes
from resgen.records.profile import Subject
from resgen.runtime.engines import find, require
from resgen.tensorrt.manifest import EngineManifest, vouched, write_manifest
from resgen.words.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, label: str, text: str) -> None:
        """A line of it."""
        self.lines.append(text)


def odd_file(folder: Path) -> Path:
    """An ONNX file whose name a shell would take apart."""
    return onnx_file(folder / 'it\'s; $(touch gone) "odd".onnx')


def held(lock: Path) -> bool:
    """Whether a lock is another's."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.slow
def test_a_file_is_timed_there(host: Server, tmp_path: Path) -> None:
    locked: dict[str, bool] = {}

    def hear(line: str) -> None:
        if not line.startswith("lease"):  # from when it is held
            locked[line] = held(host.lock)

    file = odd_file(tmp_path)
    found = resgen.profile(
        file,
        on=host.url,
        progress=hear,
        time=0.2,
        threads=1,
        operators=False,
    )
    (run,) = found.record.runs
    assert run.error is None
    assert run.summary is not None
    assert any(line.startswith("timing") for line in locked)
    assert all(locked.values())
    assert "--on ssh://HOST " in " ".join(found.record.command)
    assert found.record.environment["processor"] == environment()["processor"]
    assert not (tmp_path / "gone").exists()


def test_a_file_is_sent_once_and_then_the_device_is_free(
    host: Server, tmp_path: Path
) -> None:
    file, before = onnx_file(tmp_path / "a.onnx", name="sent once"), Heard()
    with leased(ADDRESS.read(host.url), progress=before) as place:
        assert place.ask(sha256_of, file) == sha256_of(file)
        assert held(host.lock)
    assert (host.store / sha256_of(file)).read_bytes() == file.read_bytes()
    again = Heard()
    with leased(ADDRESS.read(host.url), progress=again) as place:
        assert place.ask(sha256_of, file) == sha256_of(file)
    assert any("1 file sent" in line for line in before.lines)
    assert not any("sent" in line for line in again.lines)
    assert not held(host.lock)
    assert not (tmp_path / "gone").exists()


def test_facts_are_the_hosts_and_so_are_its_refusals(host: Server) -> None:
    with leased(ADDRESS.read(host.url)) as place:
        assert place.ask(available_cores) == available_cores()
        found = place.ask(environment, paths=True)
        assert found["processor"] == environment()["processor"]
        with pytest.raises(UsageError, match="ONNX Runtime does not run on tpu here"):
            place.ask(require, "onnxruntime", "tpu", "it cannot run")
        with pytest.raises(UsageError, match='there is no runtime "no such engine"'):
            place.ask(conditions, "no such engine", 1)
        with pytest.raises(ResgenError) as lacking:
            place.ask(require, "onnxruntime", "cuda:9", "it cannot run")
    assert lacking.value.message.startswith("on 127.0.0.1: ")
    # A sentence is told as it is: only a command bears the place.
    assert "on the host" not in (lacking.value.hint or "")


def test_a_lease_that_another_holds_is_named(host: Server) -> None:
    host.lock.write_text("ann since 2026-11-29 21:20 UTC\n")
    with host.lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ResgenError) as found, leased(ADDRESS.read(host.url)):
            pass
    assert found.value.message == (
        "cpu of 127.0.0.1 is leased by ann since 2026-11-29 21:20 UTC"
    )
    assert found.value.exit_code == 1


def test_a_device_of_this_machine_is_waited_for() -> None:
    """Both ways take one lock: a lease of this machine, and what is timed here."""
    heard = Heard()
    other = hosts.lock_of("cpu")
    fcntl.flock(other, fcntl.LOCK_EX)
    hosts.sign(other)
    given_back = Event()

    def give_back() -> None:
        given_back.set()
        os.close(other)

    Timer(0.1, give_back).start()
    with leased(None, progress=heard), leased(None, progress=heard):
        assert given_back.is_set()
    (line,) = heard.lines
    holder = rf"{getuser()} \(process {os.getpid()}\) since \d{{4}}-.+"
    assert re.fullmatch(rf"cpu is held by {holder}: waiting until it is free", line)


def test_a_folder_that_nobody_can_write_to_is_a_lock_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(hosts, "LOCKS", tmp_path)
    monkeypatch.setattr(os, "open", refusing)
    with leased(None):
        other = hosts.lock_of("cpu")
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert hosts.holder_of(other) == "somebody else"
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back
    os.close(other)


def test_a_device_that_cannot_be_held_is_said_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr(hosts, "LOCKS", tmp_path / "nowhere" / "below")
    with leased(None, progress=heard):
        pass
    (line,) = heard.lines
    assert line.startswith("cpu is not held, others may time on it: ")


def test_a_question_is_asked_again_where_the_connection_is_cut_midway(
    host: Server,
) -> None:
    heard = Heard()
    with leased(ADDRESS.read(host.url), progress=heard) as place:
        first = place.time(snapshot, "cpu")
        cut = Timer(0.1, host.drop)
        cut.start()
        assert isinstance(place.time(glance, "cpu"), tuple)
        assert not cut.is_alive()
        assert sum("was lost; it is made again" in line for line in heard.lines) == 1
        assert place.time(snapshot, "cpu") == first  # no other moment
        assert held(host.lock)


def test_what_was_timed_before_a_host_was_gone_is_not_timed_again(
    host: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "PAUSES", (0.0,))
    address, after = ADDRESS.read(host.url), Heard()
    timed = []

    def twice() -> None:
        with leased(address) as place:
            timed.append(place.time(snapshot, "cpu"))
            host.stop()
            place.time(glance, "cpu")

    with pytest.raises(ConnectionLost, match="could not be made again") as found:
        twice()
    assert "the same command goes on with it" in str(found.value.hint)
    assert found.value.exit_code == 1
    host.start()
    with leased(address, progress=after) as place:
        assert place.time(snapshot, "cpu") == timed[0]
        assert any("timed before the connection" in line for line in after.lines)
    assert not [*(tmp_path / "kept").rglob("*.json")]  # and then it is forgotten
    with leased(address) as place:
        assert place.time(snapshot, "cpu") != timed[0]


def test_a_question_that_ends_its_host_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path))
    asked: list[object] = []

    def lost(*question: object) -> None:
        asked.append(question)
        raise ConnectionLost("the connection to board was lost")

    monkeypatch.setattr(lease._Lease, "_asked", lost)
    monkeypatch.setattr(lease._Lease, "_again", lambda *_: None)
    place = lease._Lease(Address("board"), "cpu", Progress())
    with pytest.raises(ConnectionLost, match="4 times over the same question"):
        place.time(glance, "cpu")
    assert len(asked) == 4


def test_a_host_without_python_is_told(host: Server) -> None:
    with pytest.raises(ResgenError) as found, leased(ADDRESS.read(host.by("/no/py"))):
        pass
    assert "it has no /no/py, and 3.10 is the oldest" in found.value.message
    assert found.value.exit_code == 3
    assert str(found.value.hint).startswith("sudo apt install python3")


def bare(folder: Path, *without: str) -> Path:
    """A Python that lacks packages, under a name that a shell would take apart."""
    packages = folder / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if without and not entry.name.startswith(without):
            (packages / entry.name).symlink_to(entry)
    text = f"PYTHONPATH='{packages}' exec {sys.executable} -S \"$@\""
    return program(folder, text, name="it's a; py")


def test_a_python_without_packages_is_told(host: Server, tmp_path: Path) -> None:
    url = host.by(bare(tmp_path))
    with pytest.raises(ResgenError) as found, leased(ADDRESS.read(url)):
        pass
    assert "has no click, which resgen needs there" in found.value.message
    assert found.value.exit_code == 3
    assert '-m pip install "resgen[' in str(found.value.hint)


def test_an_engine_that_the_host_lacks_is_told(host: Server, tmp_path: Path) -> None:
    url = host.by(bare(tmp_path, "onnxruntime"))
    with pytest.raises(ResgenError) as found:
        resgen.profile(onnx_file(tmp_path / "a.onnx"), on=url, runtime="onnxruntime")
    assert found.value.message.startswith(
        "on 127.0.0.1: ONNX Runtime is not installed, so"
    )
    assert found.value.exit_code == 3
    assert found.value.hint == 'pip install "resgen[onnxruntime]"      on the host'


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ({"key": "other"}, "takes none of your keys"),
        ({"known": "nobody"}, "is not known here"),
        ({"known": "changed"}, "shows another key than the one that is known"),
    ],
)
def test_keys_that_are_not_right_are_told_apart(
    host: Server, tmp_path: Path, ends: dict[str, str], message: str
) -> None:
    host.client(tmp_path / "bin", **ends)
    with pytest.raises(ResgenError, match=message) as found:
        resgen.profile(onnx_file(tmp_path / "a.onnx"), on=host.url)
    assert found.value.exit_code == 1


def test_a_host_that_is_not_there_is_told(tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("there is no ssh")
    with (
        pytest.raises(ResgenError, match=r"127\.0\.0\.1 cannot be reached: .*refused"),
        leased(Address("127.0.0.1", port=1)),
    ):
        pass


def test_without_ssh_the_command_that_brings_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResgenError, match="ssh is not installed") as found:
        resgen.compare(
            onnx_file(tmp_path / "a.onnx"), tmp_path / "a.onnx", on="ssh://board"
        )
    assert found.value.exit_code == 3


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (['{"kind": "hello", "python": [3, 8, 1]}'], "is Python 3.8.1, and 3.10 is"),
        (["{"], "gave an answer that cannot be read"),
        (
            ['{"kind": "hello", "python": [3, 11, 0]}', '{"kind": "done", "value": []}',
             '{"kind": "done", "value": null}', '{"kind": "done", "value": null}',
             '{"kind": "done", "value": {"a tuple": "it is not"}}'],
            "gave an answer that cannot be read",
        ),
    ],
)  # fmt: skip
def test_a_host_that_says_what_it_must_not_is_not_believed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str],
    message: str,
) -> None:
    lines = ["Welcome to a board!", *(f"{hosts.MARK.decode()}{a}" for a in answers)]
    (tmp_path / "said").write_text("".join(f"{line}\n" for line in lines))
    program(tmp_path, f"cat '{tmp_path}/said'; exec cat > /dev/null")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ResgenError, match=message), leased(Address("board")):
        pass


def test_a_host_that_hears_nothing_any_more_gives_the_device_back() -> None:
    text = Path(hosts.__file__).read_text("utf-8") + "\nSILENCE = 0.2\nmain()\n"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.wait(20) == 1


def test_all_answers_come_back_as_they_were() -> None:
    pair = Pair(1.0, 2.0, ((1.0, 1.0), (2.0,)))
    decision = decide([2.0] * 8, 0.01, level=0.98)
    compared = Measured((pair,) * 8, (pair,), decision, 3.5, ("it was busy",))
    fall = Waterfall(
        (Difference("stem", 1e-3, 1e-4, "why", (("stem.0", 1e-3),)),),
        (PartTimes("stem", "section", 1.0, 2.0, 0.1, (1, None)),),
    )
    answers = (measured, compared), (among, (compared,) * 2), (waterfall, fall)
    for function, answer in answers:
        question = lease._Question(function, (), {})
        assert question.decoded(plain(answer)) == answer


def test_an_engine_goes_with_what_vouches_for_it(host: Server, tmp_path: Path) -> None:
    engine, code = tmp_path / "model.engine", b"ftrt: native code"
    engine.write_bytes(code)
    write_manifest(
        engine,
        EngineManifest(
            resgen="0.1.0", flavor="rtx", tensorrt="1.0", targets=("sm_89",), gpu=None,
            engine=Entry(len(code), sha256_of(engine)), onnx=Fingerprint("0" * 64, {}),
            timing_cache=None, flags={}, profiles=(), layers={}, fp16_layers=None,
            rebuild="resgen export net --to tensorrt",
        ),
    )  # fmt: skip
    with leased(ADDRESS.read(host.url)) as place:
        assert place.ask(vouched, engine) == vouched(engine)
        engine.write_bytes(code + b"more")
        with pytest.raises(ResgenError) as found:
            place.ask(vouched, engine)
    # Where it lies on the host nobody can know.
    assert found.value.message.startswith("on 127.0.0.1: model.engine has 21 bytes")


def test_an_engine_that_is_not_there_is_not_built_elsewhere() -> None:
    asked = Profiling(on="ssh://board", runtime="tensorrt")
    prepared = Prepared(Subject("any", "spec", None, None), "fp32")
    with pytest.raises(UsageError, match="on carries engines of TensorRT and builds"):
        carried(asked, prepared, "tensorrt")
    carried(asked, replace(prepared, engine=Path("model.engine")), "tensorrt")
    carried(Profiling(runtime="tensorrt"), prepared, "tensorrt")


def test_a_host_is_asked_for_all_that_resgen_depends_on() -> None:
    told = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = told.partition("\ndependencies = [\n")[2].partition("]")[0]
    assert sorted(lease.NEEDS) == sorted(re.findall(r'"(\w+)', listed))


def test_files_that_an_engine_never_reads_stay_here(tmp_path: Path) -> None:
    names = ("model.onnx", "network.pickle", "weights.safetensors", "model.tflite")
    model, network, weights, lite = (tmp_path / name for name in names)
    prepared = Prepared(
        Subject("any", "spec", None, None), "fp32", model=model, network=network,
        weights=weights, others={"litert": lite},
    )  # fmt: skip
    for runtime, read in {
        "onnxruntime": {model, network},
        "litert": {model, network, lite},
        "torch": {network, weights},
    }.items():
        lean = Job(prepared, runtime).lean.prepared
        given = {lean.model, lean.network, lean.weights, *lean.others.values()}
        assert given - {None} == read
        assert lean.file(find(runtime).takes) == prepared.file(find(runtime).takes)


@pytest.mark.slow
def test_a_graph_is_timed_by_its_kernels_there(host: Server) -> None:
    graph = resgen.expand(resgen.load(SPEC))
    with leased(ADDRESS.read(host.url)) as place:
        told = place.ask(conditions, "onnxruntime", 1)
        found = place.time(looked, graph, told)
    assert found.seconds > 0
    assert {"Conv", "FusedConv"} & {each.kind for each in found.operators}


@pytest.mark.soak
def test_two_are_compared_in_one_lease(host: Server, tmp_path: Path) -> None:
    said: list[str] = []
    file = onnx_file(tmp_path / "a.onnx")
    wide = {**SPEC, "name": "wide", "input": [3, 64, 64]}
    found = resgen.compare(
        file, wide, on=host.url, time=5, threads=1, progress=said.append
    )
    assert found.verdict == "slower"
    assert sum("is leased" in line for line in said) == 1
