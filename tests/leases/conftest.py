"""A host of our own: an sshd on this machine, with keys that nothing else takes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv TMPDIR={folder}/tmp XDG_CACHE_HOME={folder}/cache
"""
_CLIENT = """\
Host *
  IdentityFile {folder}/{key}
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/{known}
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
"""


@dataclass
class Server:
    """A machine that is reached over ssh; all that it keeps is in ``folder``."""

    folder: Path
    sshd: str
    ssh: str
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, with the Python that runs the tests."""
        return self.by(sys.executable)

    def by(self, python: str | Path) -> str:
        """Its address with another Python."""
        return f"ssh://127.0.0.1:{self.port}{python}"

    @property
    def lock(self) -> Path:
        """The lock of its processor."""
        return self.folder / "tmp/resgen-lease-cpu.lock"

    @property
    def store(self) -> Path:
        """What it was sent."""
        return self.folder / "cache/resgen/leases"

    def start(self) -> None:
        """Listen, and be there when this returns."""
        config = str(self.folder / "sshd_config")
        command = [self.sshd, "-D", "-e", "-f", config]
        log = (self.folder / "log").open("wb")
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        until = time.monotonic() + 10
        while b"listening" not in (self.folder / "log").read_bytes():
            if time.monotonic() > until or self.processes[-1].poll() is not None:
                pytest.skip((self.folder / "log").read_text().strip()[-200:])
            time.sleep(0.02)

    def drop(self) -> None:
        """Break the connections that there are."""
        server = self.processes[-1].pid
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == server:
                    os.kill(int(process.name), signal.SIGKILL)

    def stop(self) -> None:
        """Be gone."""
        self.drop()
        self.processes[-1].kill()
        self.processes[-1].wait()

    def client(self, folder: Path, key: str = "user", known: str = "known") -> None:
        """Write the ``ssh`` of a user who has this key and knows these hosts."""
        config = folder / "ssh_config"
        config.write_text(_CLIENT.format(folder=self.folder, key=key, known=known))
        program(folder, f"exec {self.ssh} -F '{config}' \"$@\"")


def program(folder: Path, text: str, name: str = "ssh") -> Path:
    """A program in a folder."""
    made = folder / name
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The host; it listens until the tests are over."""
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    sshd, ssh = (shutil.which(name, path=path) for name in ("sshd", "ssh"))
    if sshd is None or ssh is None or not Path("/proc/self").exists():
        pytest.skip("there is no sshd: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("host")
    for name in ("tmp", "cache"):
        (folder / name).mkdir()
    for key in ("host", "user", "other"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(make, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, key in (("known", "host"), ("changed", "other")):
        public = (folder / f"{key}.pub").read_text()
        (folder / name).write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "sshd_config").write_text(_SERVER.format(port=port, folder=folder))
    if os.geteuid() == 0:  # a server of root's wants it
        Path("/run/sshd").mkdir(exist_ok=True)
    made = Server(folder, sshd, ssh, port)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def host(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same, with the ``ssh`` of a user whose key it takes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    server.client(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path / "kept"))
    return server
