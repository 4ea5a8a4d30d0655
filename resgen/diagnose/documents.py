"""The file of a diagnosis: ``diagnosis.json``."""

from __future__ import annotations

from typing import Final

from resgen.diagnose.record import FORMAT, Diagnosis
from resgen.document.files import Format

#: The file in the folder that ``resgen diagnose`` writes.
DATA: Final = "diagnosis.json"
#: Its page there.
PAGE: Final = "diagnosis.html"


def verdict(diagnosis: Diagnosis) -> str | list[str] | None:
    """``"ok"``, or the codes of what is wrong with the network that was asked about.

    Null where a training was only watched: its initialisation was not judged.
    """
    return None if diagnosis.data is None else diagnosis.arms[0].verdict


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
