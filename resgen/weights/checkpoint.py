"""Checkpoints of the world, read into arrays by name.

What training scripts save is seldom a plain state_dict: the weights lie beside an
optimizer and the script's arguments, below a key of its own, under the prefix of a
wrapper. :func:`read` finds them, without running what a pickle asks for; :func:`fit`
gives them the network's names, all of them or none.
"""

from __future__ import annotations

import argparse
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from resgen.errors import MissingComponent, ResgenError
from resgen.files.ordinary import check_file
from resgen.graph.ir import Parameter
from resgen.weights.fitting import LISTED, compare
from resgen.weights.safetensors import read_safetensors

if TYPE_CHECKING:
    import torch

Array: TypeAlias = npt.NDArray[Any]

logger = logging.getLogger(__name__)

#: Suffixes of files that ``torch.save`` writes.
PICKLES: Final = (".pth", ".pt", ".bin", ".ckpt", ".tar")

#: Types of safetensors that become float32, as a person knows them.
_SAID: Final = {"F16": "float16", "BF16": "bfloat16", "F64": "float64"}

#: Keys that training scripts keep the weights under, the likeliest first.
PLAIN: Final = ("state_dict", "model_state_dict", "model")
#: The same for the moving average of the weights.
AVERAGED: Final = ("state_dict_ema", "model_ema")

#: What wrappers put in front of names: DistributedDataParallel and AveragedModel,
#: torch.compile, and modules that hold the network as an attribute.
PREFIXES: Final = ("module.", "_orig_mod.", "backbone.", "model.")


def read(path: Path, *, ema: bool = False) -> dict[str, Array]:
    """The weights in a file, as the file names them; floats become float32.

    ``ema`` asks for the moving average of the weights instead. Raises ResgenError for
    what is not a checkpoint or wants to run code, MissingComponent if torch is needed
    and not there.
    """
    if path.is_dir():
        raise ResgenError(f"{path} is a folder, not a checkpoint")
    check_file(path)
    if path.suffix == ".safetensors":
        if ema:
            raise ResgenError(
                f"{path} holds one set of weights, none of them called an average",
                hint="leave out --ema if these are the averaged ones",
            )
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return from_state_dict(_weights(_read_pickle(path), path, ema=ema))
    raise ResgenError(
        f'{path} is not called like a checkpoint: "{path.suffix}" is unknown',
        hint="known are .safetensors and, of torch.save, " + ", ".join(PICKLES),
    )


def from_state_dict(state: Mapping[str, Any]) -> dict[str, Array]:
    """Torch tensors or arrays as arrays in C order; floats become float32.

    A contiguous float32 tensor of the CPU is shared, not copied, so training on
    changes the array. What is neither tensor nor array is left out.
    """
    weights: dict[str, Array] = {}
    converted: Counter[str | None] = Counter()
    for name, value in state.items():
        if not _is_tensor(value):
            continue
        dtype = str(value.dtype).removeprefix("torch.")
        if not isinstance(value, np.ndarray):
            value = _array(name, value)
        if value.dtype.kind == "f" and dtype != "float32":
            converted[dtype] += 1
            value = value.astype(np.float32)
        weights[str(name)] = np.asarray(value, order="C")
    _say_converted(converted)
    return weights


def fit(
    weights: Mapping[str, Array], parameters: Sequence[Parameter]
) -> dict[str, Array]:
    """The weights under the network's names, in the order of ``parameters``.

    Prefixes of wrappers are dropped where that makes names match. The counters of
    batch norm may be missing (torch before 0.4.1 had none; they start at 0) and the
    counter that torch's AveragedModel adds may be there. Raises as :func:`compare`
    does.
    """
    named = _without_prefix(weights, {p.name for p in parameters})
    named.pop("n_averaged", None)
    for parameter in parameters:
        if parameter.name.endswith("num_batches_tracked"):
            named.setdefault(
                parameter.name, np.zeros(parameter.shape, dtype=parameter.dtype)
            )
    compare(parameters, named)
    return {p.name: named[p.name].astype(p.dtype, copy=False) for p in parameters}


# --- files ----------------------------------------------------------------------------


def _read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors import safe_open

    weights = read_safetensors(path)
    with safe_open(str(path), framework="numpy") as file:
        dtypes = Counter(
            _SAID.get(file.get_slice(name).get_dtype()) for name in weights
        )
    _say_converted(dtypes)
    return weights


def _read_pickle(path: Path) -> object:
    """What ``torch.save`` wrote, without running code: tensors and plain data only."""
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
    try:
        with safe_globals([known for known in _harmless() if known not in allowed]):
            # Only the newer format, a zip archive, can be mapped into memory.
            mmap = zipfile.is_zipfile(path)
            return load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError as error:
        raise ResgenError(f"{path} cannot be read: {error.strerror}") from error
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
            f"{path} is damaged, cut short or not a checkpoint of torch.save"
        ) from error


def _harmless() -> list[Any]:
    """Types beside the weights that only hold data: arguments and NumPy's scalars."""
    scalar = np.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1 and 2
    return [
        argparse.Namespace,
        np.dtype,
        *(type(np.dtype(name)) for name in ("float64", "float32", "int64")),
        *((scalar, f"{module}.scalar") for module in modules),
    ]


def _weights(saved: object, path: Path, *, ema: bool) -> Mapping[str, Any]:
    """The state_dict in what a training script saved."""
    if not isinstance(saved, Mapping):
        raise ResgenError(f"{path} holds a {type(saved).__name__}, not weights by name")
    if ema:
        found = _nested(saved, AVERAGED)
        if found is None:
            raise ResgenError(
                f"{path} holds no averaged weights ({' or '.join(AVERAGED)}); "
                f"it holds {_contents(saved)}"
            )
        return _nested(found, PLAIN) or found
    found = _nested(saved, PLAIN) or saved
    if any(_is_tensor(value) for value in found.values()):
        return found
    raise ResgenError(
        f"{path} holds no weights that resgen finds; it holds {_contents(saved)}",
        hint="--ema takes the averaged weights" if _nested(saved, AVERAGED) else None,
    )


def _nested(saved: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any] | None:
    """What lies under the first of ``keys``, or under one of them within PLAIN."""
    for key in keys:
        inner = saved.get(key)
        if isinstance(inner, Mapping):
            return _nested(inner, PLAIN) or inner
    for key in PLAIN:
        inner = saved.get(key)
        if isinstance(inner, Mapping) and (found := _nested(inner, keys)):
            return found
    return None


def _contents(saved: Mapping[str, Any]) -> str:
    names = [str(key) for key in saved]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) + more) or "nothing"


def _say_converted(dtypes: Mapping[str | None, int]) -> None:
    for dtype, count in dtypes.items():
        if dtype is not None:
            noun = "tensor" if count == 1 else "tensors"
            logger.warning("%d %s converted from %s to float32", count, noun, dtype)


# --- tensors --------------------------------------------------------------------------


def _is_tensor(value: object) -> bool:
    """Whether it is an array or a tensor (torch need not be there to tell)."""
    return (
        hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "ndim")
    )


def _array(name: str, tensor: torch.Tensor) -> Array:
    """A tensor as an array; of what NumPy lacks (bfloat16, float8), as float32."""
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() <= 2:
            tensor = tensor.float()
        return tensor.numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ResgenError(
            f"{name} is not an ordinary tensor (sparse, quantised or on no device)",
            hint="save dense float32 weights",
        ) from error


# --- names and shapes -----------------------------------------------------------------


def _without_prefix(weights: Mapping[str, Array], wanted: set[str]) -> dict[str, Array]:
    """The weights without the prefix that keeps most names from matching, if any."""

    def matches(prefix: str) -> int:
        n = len(prefix)
        return sum(w.startswith(prefix) and w[n:] in wanted for w in weights)

    prefixes = sorted({p for name in weights for p in _prefixes(name)}, key=len)
    best = max(["", *prefixes], key=matches)
    return {name.removeprefix(best): array for name, array in weights.items()}


def _prefixes(name: str) -> Iterable[str]:
    """Every way to begin ``name`` with prefixes of wrappers."""
    end = 0
    while piece := next((p for p in PREFIXES if name.startswith(p, end)), None):
        end += len(piece)
        yield name[:end]
