"""What a file of weights is, told by what stands in it and not by its name."""

from __future__ import annotations

import codecs
import zipfile
from pathlib import Path
from typing import Final, Literal, TypeAlias

from resgen.errors import ResgenError
from resgen.files.ordinary import check_file, open_file
from resgen.weights.names import short

Format: TypeAlias = Literal["safetensors", "torch"]

#: Bytes that are looked at.
_HEAD: Final = 512
#: Longest header of a safetensors file; the package reads no longer one.
_LONGEST_HEADER: Final = 100_000_000
_KNOWN: Final = "known are .safetensors and what torch.save writes"
_AGAIN: Final = "download or copy it again"
_UNPACK: Final = "unpack it first"
BY_NAME: Final = (
    "resgen.build(spec, out, state_dict=...) takes arrays by PyTorch's names"
)
_EXPORTED: Final = (
    "a program of torch.export",
    'torch.save(torch.export.load("{name}").state_dict, "weights.pth") takes its '
    "weights out",
)
#: The number that files of torch.save begin with that are no archives, pickled.
_MAGIC: Final = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
#: How files of other kinds begin: what they are, and what helps.
_BEGINNINGS: Final = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves weights",
     "once a model of Keras has loaded it, resgen.build(spec, out, "
     "state_dict=resgen.from_keras(model)) takes the model's"),
    (b"\x93NUMPY", "a NumPy file of one array, without a name", BY_NAME),
    (b"GGUF", "a GGUF file, of language models", _KNOWN),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"ftrt", "a TensorRT engine, which keeps no weights by name", _KNOWN),
    *((begin, "a picture", _KNOWN) for begin in (b"\x89PNG", b"\xff\xd8\xff")),
)  # fmt: skip
#: The same of texts.
_TEXTS: Final = (
    ("version https://git-lfs", "a Git LFS pointer: the weights themselves were not "
     "downloaded", "`git lfs pull` in its folder fetches them"),
    ("<", "a web page: the download brought that instead of the weights", _AGAIN),
    ("{", "JSON text, which holds no weights", _KNOWN),
)  # fmt: skip
#: The same of archives, by a member that they have.
_MEMBERS: Final = (
    ("constants.pkl", "a TorchScript archive, a program with its weights",
     'torch.save(torch.jit.load("{name}").state_dict(), "weights.pth") takes them out'),
    *((member, *_EXPORTED) for member in (
        "serialized_exported_program.json", "exported_program.json", "archive_format",
    )),
    ("model.weights.h5", "a model of Keras",
     'resgen.build(spec, out, state_dict=resgen.from_keras("{name}")) takes its weights'
     ),
)  # fmt: skip
#: The same of folders.
_FOLDERS: Final = (
    (".metadata", "a checkpoint of torch.distributed",
     "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch {name} "
     "weights.pth` makes one file of it"),
    ("data.pkl", "an unpacked checkpoint of torch.save", "name its archive"),
    ("saved_model.pb", "a model of TensorFlow", BY_NAME),
)  # fmt: skip
_SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def format_of(path: Path) -> Format:
    """Whether it is a safetensors file or one of torch.save.

    Anything else is a :class:`~resgen.errors.ResgenError` that names what it is.
    """
    if path.is_dir():
        found: tuple[str, str] | None = _folder(path)
    else:
        check_file(path)
        with open_file(path) as file:
            head = file.read(_HEAD)
        # The length of a header, and the header, which is JSON.
        length = int.from_bytes(head[:8], "little")
        if head[8:9] == b"{" and length <= _LONGEST_HEADER:
            return "safetensors"
        if _MAGIC in head[:32]:  # behind a frame, in the newer protocols of pickles
            return "torch"
        found = _archive(path) if head.startswith(b"PK") else _other(path, head)
    if found is None:
        return "torch"
    what, mend = found
    raise ResgenError(f"{path} is {what}", hint=mend.replace("{name}", str(path)))


def _folder(path: Path) -> tuple[str, str]:
    """What a folder is, and what helps."""
    members = sorted(p.name for p in path.iterdir())
    for member, what, mend in _FOLDERS:
        if member in members:
            return what, mend
    held = [name for name in members if name.endswith(_SUFFIXES)]
    which = f"; it holds {', '.join(held[:3])}" if held else ""
    return f"a folder, not a checkpoint{which}", "name a file"


def _other(path: Path, head: bytes) -> tuple[str, str]:
    """What a file is that is no checkpoint, and what helps."""
    if not head:
        return "empty", _AGAIN
    text = _text(head)
    if text is not None:
        said = short(text.partition("\n")[0])
        other = f'text, not a checkpoint; it begins "{said}"', f"{_AGAIN}; {_KNOWN}"
        kinds = ((what, mend) for begin, what, mend in _TEXTS if text.startswith(begin))
        return next(kinds, other)
    for begin, what, mend in _BEGINNINGS:
        if head.startswith(begin):
            return what, mend
    if head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return (
            "a pickle that torch.save did not write, and reading it could run code",
            'where you trust the file, torch.save(pickle.load(open("{name}", "rb")), '
            '"weights.pth") makes one that is read',
        )
    # ONNX began with version 3 of its files; TensorFlow's begin so with a 1.
    of_onnx = head[0] == 8 and head[1:2] > b"\2" and head[2:3] in (b"\x12", b"\x3a")
    if of_onnx or path.suffix == ".onnx":
        what = "an ONNX file, a network with its weights"
        return what, "`resgen export` and `resgen profile` take it as it is"
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    if head[4:8] == b"TFL3":
        return "a LiteRT (TensorFlow Lite) model", BY_NAME
    if path.suffix == ".msgpack":
        return "a file of weights of Flax", BY_NAME
    if path.suffix in (".index", ".pb") or ".data-0" in path.name:
        return "of TensorFlow", BY_NAME
    return "damaged, cut short or not a checkpoint", f"{_AGAIN}; {_KNOWN}"


def _text(head: bytes) -> str | None:
    """How a text begins; None where it is none."""
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        # An incremental decoder minds no character that is cut at the end.
        decoder = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")
        text = decoder().decode(head).strip()
    except UnicodeDecodeError:
        return None
    plain = all(char.isprintable() or char.isspace() for char in text)
    return text if text and plain else None


def _archive(path: Path) -> tuple[str, str] | None:
    """What an archive is, and what helps; None of one of torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "cut short or damaged: its archive has no whole list of members", _AGAIN
    for member, what, mend in _MEMBERS:
        if member in names:
            return what, mend
    if "data.pkl" in names:
        return None
    if not names:
        return "an archive of nothing", _AGAIN
    if all(name.endswith(".npy") for name in names):
        return (
            "an archive of NumPy's arrays",
            'resgen.build(spec, out, state_dict=dict(numpy.load("{name}"))) takes them',
        )
    return "a zip archive without weights of torch.save", _UNPACK
