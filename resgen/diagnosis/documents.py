"""The file of a diagnosis: ``diagnosis.json``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Final

from resgen.document.files import Format
from resgen.records.diagnosis import FORMAT, Arm, Diagnosis

#: The file in the folder that ``resgen diagnose`` writes.
DATA: Final = "diagnosis.json"
#: Its page there.
PAGE: Final = "diagnosis.html"


def verdict(diagnosis: Diagnosis) -> str | list[str] | None:
    """``"ok"``, or the codes of what is wrong with the network that was asked about.

    Null where a training was only watched: its initialisation was not judged.
    """
    return None if diagnosis.data is None else diagnosis.arms[0].verdict


def without_folders(diagnosis: Diagnosis) -> Diagnosis:
    """The same with the names of files alone: where they lie is nobody's business."""
    return replace(diagnosis, arms=tuple(map(_named, diagnosis.arms)))


def _named(arm: Arm) -> Arm:
    return replace(
        arm,
        parts=tuple(replace(part, place=_name(part.place)) for part in arm.parts),
        findings=tuple(replace(one, place=_name(one.place)) for one in arm.findings),
    )


def _name(place: str | None) -> str | None:
    return None if place is None else PurePath(place).name


DIAGNOSIS: Final = Format(
    mark="resgen_diagnosis",
    version=FORMAT,
    kind=Diagnosis,
    name="diagnosis",
    title="A diagnosis of resgen's",
    made_by="resgen diagnose",
    hint=f"resgen diagnose -o DIR writes {DATA}",
    derived={"verdict": verdict},
)
