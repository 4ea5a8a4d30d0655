"""What an artifact can be made into: the type of all forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from resgen.options.group import Group
from resgen.words.progress import SILENT, Progress

if TYPE_CHECKING:  # the command line lists forms, and waits for nothing else
    from resgen.artifact.ready import Ready
    from resgen.artifact.request import Wishes
    from resgen.artifact.source import Source

#: Makes something of a file, in its folder: the SHA-256 of the files by name, and what
#: the manifest is to record.
Finish: TypeAlias = "Callable[[Ready], tuple[Mapping[str, str], Mapping[str, Any]]]"


@dataclass(frozen=True, slots=True)
class Job:
    """What a form is told beside its own options.

    ``precisions`` are all that the network's operators have, ``choices`` places in the
    spec of those that choose among numbers. ``ends`` is how inputs and outputs are to
    be. ``source`` and ``words`` are what is exported and the rest of the command that
    exports it again, ``out`` the folder that is made. ``network`` is what is exported,
    and how, before anything is made of it; of a file of anybody's, and where a folder
    is proven again, there is none.
    """

    precisions: Sequence[str] = ("fp32",)
    choices: Sequence[str] = ()
    ends: str = "float32"
    source: str = ""
    words: tuple[str, ...] = ()
    out: Path = Path()
    network: tuple[Source, Wishes] | None = None
    progress: Progress = field(default=SILENT)


@dataclass(frozen=True, slots=True)
class Form:
    """A target of ``resgen export``, and what is particular to it.

    ``summary`` is a line for the help. ``prepare`` refuses what cannot be made before
    anything is written, and gives what makes it of an ONNX file that is proven.
    ``verify`` holds what a folder has of the form against its ONNX file, and tells
    what it found; what cannot be run here it says to be not run. ``again`` gives what
    makes the same files again in another folder, of what the manifest records and of
    the file where it lies; ``prepare`` does where it is None. ``owns`` are the folders
    that hold nothing but what the form makes. ``opens`` are the files that
    engines of :mod:`resgen.runtime` run, by what those take. ``consumers`` are the
    engines that quantisers can be placed for, the usual one first, ``ends`` how inputs
    and outputs can be. ``of_file`` tells
    that an ONNX file of anybody's can be made into it, ``of_engine`` gives what makes
    it of a TensorRT engine.
    """

    summary: str
    options: type[Group]
    prepare: Callable[[Any, Job], Finish]
    verify: Callable[[Ready, Mapping[str, Any], Progress], Mapping[str, Any]]
    again: Callable[[Any, Mapping[str, Any], Ready, Job], Finish] | None = None
    owns: tuple[str, ...] = ()
    opens: Mapping[str, str] = field(default_factory=dict)
    consumers: tuple[str, ...] = ("onnxruntime", "tensorrt")
    ends: tuple[str, ...] = ("float32", "low")
    of_file: bool = True
    of_engine: Callable[[Path, Any, Job], Finish] | None = None
