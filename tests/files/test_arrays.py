"""Files of NumPy, and what calls itself one."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from resgen.errors import ResgenError
from resgen.files.arrays import read_arrays


def test_arrays_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == ["x", "y"]
    np.testing.assert_array_equal(found["y"], np.eye(2))
    np.save(tmp_path / "b.npy", np.ones(4))
    np.testing.assert_array_equal(read_arrays(tmp_path / "b.npy")[""], np.ones(4))


@pytest.mark.parametrize("member", ["x", "x.npy"])
@pytest.mark.parametrize("content", [pickle.dumps([1, 2]), b"hello", b""])
def test_a_member_that_is_no_array(tmp_path, member, content):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr(member, content)
    with pytest.raises(ResgenError, match=r"a\.npz cannot be read as an \.npz"):
        read_arrays(tmp_path / "a.npz")


def test_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ResgenError, match="Python objects"):
        read_arrays(tmp_path / "a.npz")
