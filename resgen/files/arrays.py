"""Arrays in files of NumPy, read without running what a file asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resgen.errors import ResgenError
from resgen.files.ordinary import check_file

if TYPE_CHECKING:
    import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an ``.npz`` file by name, or the one of an ``.npy`` as ``""``.

    Whatever else a file holds is a ResgenError.
    """
    import numpy as np

    check_file(path)
    try:
        # Opened here: numpy leaves a file that it opens itself and finds no archive in.
        with path.open("rb") as opened:
            found = np.load(opened, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            with found as file:
                held = {name: file[name] for name in file.files}
    except Exception as error:  # a reader of foreign bytes fails in any way at all
        # What numpy takes for no array it takes for Python objects, and says how to
        # load those: by running what the file says.
        why = "it is none, or holds Python objects" if "pickle" in str(error) else error
        raise ResgenError(f"{path} cannot be read as an .npz file: {why}") from error
    for name, array in held.items():
        if not isinstance(array, np.ndarray):  # a member of bytes comes as they are
            raise ResgenError(
                f"{path} cannot be read as an .npz file: {name} is no array of NumPy"
            )
    return held
