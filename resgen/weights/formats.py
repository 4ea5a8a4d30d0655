"""What a file of weights is, told by what stands in it and not by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, Literal, TypeAlias

from resgen.errors import ResgenError
from resgen.files.ordinary import check_file, open_file

Format: TypeAlias = Literal["safetensors", "torch"]

#: Bytes that are looked at.
_HEAD: Final = 512
#: Longest header of a safetensors file; the package reads no longer one.
_LONGEST_HEADER: Final = 100_000_000
_KNOWN: Final = "known are .safetensors and what torch.save writes"
_AGAIN: Final = "download or copy it again"
_UNPACK: Final = "unpack it first"
_BY_NAME: Final = (
    "resgen.build(spec, out, state_dict=...) takes arrays by PyTorch's names"
)
#: How files of other kinds begin: what they are, and what helps.
_BEGINNINGS: Final = (
    (b"version https://git-lfs", "a Git LFS pointer: the weights themselves were not "
     "downloaded", "`git lfs pull` in its folder fetches them"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves weights", _BY_NAME),
    (b"\x93NUMPY", "a NumPy file of one array, without a name", _BY_NAME),
    (b"GGUF", "a GGUF file, of language models", _KNOWN),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"ftrt", "a TensorRT engine, which keeps no weights by name", _KNOWN),
    *((begin, "a picture", _KNOWN) for begin in (b"\x89PNG", b"\xff\xd8\xff")),
    (b"<", "a web page: the download brought that instead of the weights", _AGAIN),
    (b"{", "JSON text, which holds no weights", _KNOWN),
)  # fmt: skip
#: The same of archives, by a member that they have.
_MEMBERS: Final = (
    ("constants.pkl", "a TorchScript archive, a program with its weights",
     'torch.save(torch.jit.load("{name}").state_dict(), "weights.pth") takes them out'),
    ("serialized_exported_program.json", "a program of torch.export",
     'torch.save(torch.export.load("{name}").state_dict, "weights.pth") takes its '
     "weights out"),
    ("exported_program.json", "a program of torch.export",
     'torch.save(torch.export.load("{name}").state_dict, "weights.pth") takes its '
     "weights out"),
    ("archive_format", "a program of torch.export",
     'torch.save(torch.export.load("{name}").state_dict, "weights.pth") takes its '
     "weights out"),
    ("model.weights.h5", "a model of Keras", _BY_NAME),
)  # fmt: skip


def format_of(path: Path) -> Format:
    """Whether it is a safetensors file or one of torch.save.

    Anything else is a :class:`~resgen.errors.ResgenError` that names what it is.
    """
    if path.is_dir():
        held = sorted(p.name for p in path.iterdir() if p.suffix in _SUFFIXES)
        which = f"; it holds {', '.join(held[:3])}" if held else ""
        raise ResgenError(
            f"{path} is a folder, not a checkpoint{which}", hint="name a file"
        )
    check_file(path)
    with open_file(path) as file:
        head = file.read(_HEAD)
    if not head:
        raise ResgenError(f"{path} is empty", hint=_AGAIN)
    if head.startswith(b"PK"):
        return _archive(path)
    # The length of a header, and the header, which is JSON.
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length <= _LONGEST_HEADER:
        return "safetensors"
    if head[0] == 0x80 and 2 <= int.from_bytes(head[1:2], "little") <= 5:
        return "torch"  # a pickle of protocol 2 to 5
    if path.suffix == ".onnx" or (head[0] == 8 and head[2:3] in (b"\x12", b"\x3a")):
        raise ResgenError(
            f"{path} is an ONNX file, a network with its weights",
            hint="`resgen export` and `resgen profile` take it as it is",
        )
    for begin, what, mend in _BEGINNINGS:
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(begin):
            raise ResgenError(f"{path} is {what}", hint=mend)
    if head[257:262] == b"ustar":
        raise ResgenError(f"{path} is a tar archive", hint=_UNPACK)
    if head[4:8] == b"TFL3":
        raise ResgenError(f"{path} is a LiteRT (TensorFlow Lite) model", hint=_BY_NAME)
    if path.suffix == ".msgpack":
        raise ResgenError(f"{path} holds weights of Flax", hint=_BY_NAME)
    if path.suffix == ".index" or ".data-0" in path.name:
        raise ResgenError(f"{path} is of a TensorFlow checkpoint", hint=_BY_NAME)
    if head.isascii() and b"".join(head.split()).decode("ascii").isprintable():
        raise ResgenError(f"{path} is text, not a checkpoint", hint=_KNOWN)
    raise ResgenError(
        f"{path} is damaged, cut short or not a checkpoint", hint=f"{_AGAIN}; {_KNOWN}"
    )


_SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def _archive(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ResgenError(
            f"{path} is cut short or damaged: its archive has no whole list of members",
            hint=_AGAIN,
        ) from error
    for member, what, mend in _MEMBERS:
        if member in names:
            raise ResgenError(f"{path} is {what}", hint=mend.format(name=path))
    if "data.pkl" in names:
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        raise ResgenError(
            f"{path} holds arrays of NumPy",
            hint=f'resgen.build(spec, out, state_dict=dict(numpy.load("{path}"))) '
            "takes them",
        )
    if not names:
        raise ResgenError(f"{path} is a zip archive of nothing", hint=_AGAIN)
    raise ResgenError(
        f"{path} is a zip archive without weights of torch.save", hint=_UNPACK
    )
