"""Several threads at once, in a process that has read no built-in block before."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

import resgen
from resgen.spec import library
from resgen.spec.canonical import digest


@pytest.fixture
def hurried():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_a_block_is_read_whole_before_another_thread_gets_it(monkeypatch):
    monkeypatch.setattr(library, "_BUILTIN", {})
    together = Barrier(4)

    def loaded(_):
        together.wait()
        return digest(resgen.load("fcos_resnet50_fpn"))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(loaded, range(4)))) == 1
