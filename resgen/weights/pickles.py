"""Files of torch.save, read without running what a pickle asks for."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from pathlib import Path, PosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np

from resgen.errors import MissingComponent, ResgenError


def read_pickle(path: Path) -> object:
    """What ``torch.save`` wrote: tensors and plain data only."""
    try:
        from torch import load
        from torch.serialization import get_safe_globals, safe_globals
    except ImportError as error:
        raise MissingComponent(
            "PyTorch",
            f"{path} cannot be read (a .safetensors file could be)",
            'pip install "resgen[torch]"',
        ) from error
    # On leaving, torch forgets what it is given here: nothing that the caller allowed.
    allowed = get_safe_globals()
    own = [known for known in _harmless() if known not in allowed]
    try:
        with warnings.catch_warnings(), safe_globals(own):
            warnings.simplefilter("ignore")  # on formats; what counts is told below
            # Only the newer format, a zip archive, can be mapped into memory.
            mmap = zipfile.is_zipfile(path)
            return load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # a reader of foreign bytes fails in any way at all
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked:
            raise ResgenError(
                f"{path} is refused: reading it would run {asked[1]}, and code in a "
                "checkpoint can do anything to this machine",
                hint="where you trust the file, load it with torch and save only "
                "model.state_dict()",
            ) from error
        raise ResgenError(
            f"{path} is damaged, cut short or not a checkpoint of torch.save",
            hint="download or copy it again",
        ) from error


def _harmless() -> list[Any]:
    """Types beside the weights that only hold data: arguments, paths, NumPy's own."""
    scalar = np.float64(0).__reduce__()[0]
    array = np.zeros(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1 and 2
    return [
        argparse.Namespace,
        SimpleNamespace,
        PosixPath,
        np.dtype,
        np.ndarray,
        *(type(np.dtype(name)) for name in ("f8", "f4", "f2", "i8", "i4", "?")),
        *((scalar, f"{module}.scalar") for module in modules),
        *((array, f"{module}._reconstruct") for module in modules),
    ]
