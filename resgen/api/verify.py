"""The proof of a folder, done again from the folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen import forms
from resgen.api.asked.looking import Verifying
from resgen.api.memory import told
from resgen.artifact.opened import open_folder
from resgen.artifact.verify import verify as prove
from resgen.errors import ResgenError
from resgen.options.kinds import argument, path
from resgen.words.progress import Told, listening
from resgen.words.terminal import Shown


@dataclass(frozen=True, slots=True)
class Verified(Shown):
    """What was proven of a folder, as ``--json`` prints it.

    ``unproven`` are the parts of its form that nothing here could run.
    """

    folder: Path
    record: dict[str, Any]
    unproven: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """What was compared, and how closely."""
        return self.record

    def lines(self) -> Iterator[str]:
        """What the terminal shows."""
        if not self.record["derived"]:
            yield (
                f"{self.folder} agrees by numbers only: this version writes other "
                "files of it, and what it builds anew can be proven"
            )
        else:
            unrun = f"; not run: {', '.join(self.unproven)}" if self.unproven else ""
            stored = "; its scales are as stored" if "scales" in self.record else ""
            what = f"{self.folder}/model.onnx" if self.unproven else self.folder
            yield f"{what} is proven{unrun}{stored}"


def verify(folder: str | Path, *, progress: Told = None, **options: Any) -> Verified:
    """Prove that a folder holds what its manifest says, and that it computes its spec.

    ``options`` are those of :class:`~resgen.api.asked.looking.Verifying`, which are the
    command's. ``progress`` is called with a line of text as a step is done (print will
    do). Raises :class:`~resgen.errors.ResgenError` where a file was altered, or
    computes anything else.
    """
    asked = Verifying.of(options)
    heard = listening(progress)
    artifact = open_folder(argument("folder", path("FOLDER"), folder))
    count = artifact.check_hashes()
    heard.say("files", f"{count} files have the SHA-256 of the manifest")
    manifest = artifact.manifest
    if manifest.verified is None:
        heard.say("files", "made without a proof: this is the first")
    if manifest.form not in forms.names():
        raise ResgenError(
            f"{folder} has the form {manifest.form}, which this resgen does not know",
            hint=f"it knows {', '.join(forms.names())}",
        )
    form = forms.find(manifest.form)
    with told(max(asked.batch, default=None)):
        made = prove(
            artifact, form, images=asked.images, batches=asked.batch, say=heard.say
        )
        found = form.verify(made, manifest.made, heard)
    unproven = tuple(name for name, of_form in found.items() if of_form is None)
    return Verified(artifact.folder, {**made.proof, **found}, unproven)
