"""The ONNX file itself, which every other form is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resgen.artifact.form import Finish, Form, Job
from resgen.options.group import Group
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Ready


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """It has none of its own: how an ONNX file is written all forms are asked."""


def prepare(options: Options, job: Job) -> Finish:
    """Nothing is made of it."""
    return lambda ready: ({}, {})


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The file has been proven already."""
    return {}


FORM = Form("an ONNX file", Options, prepare, verify, of_file=False)
