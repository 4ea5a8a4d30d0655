"""What a form has made of an ONNX file, against what it makes of it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from resgen.artifact.derived import Say, settle
from resgen.artifact.folder import GRAPH, MODEL, SPEC, WEIGHTS, copied
from resgen.artifact.form import Form, Job
from resgen.artifact.opened import Artifact
from resgen.artifact.ready import Made
from resgen.errors import ResgenError, UsageError
from resgen.files.aside import temporary_folder
from resgen.files.hashed import sha256_of
from resgen.onnxfile.differences import Difference
from resgen.proof.compare import Departure


def check_made(artifact: Artifact, made: Made, form: Form, say: Say) -> bool:
    """Whether all that a form has made of the ONNX file is what it makes of it again.

    The form works in a folder of its own, as the manifest's options ask. The folder
    holds these files, byte for byte, and no others where the form keeps its own; a
    difference is a :class:`~resgen.proof.compare.Departure` that names it, except that
    another version of resgen may write other bytes, which is said.
    """
    manifest = artifact.manifest
    _check_owned(artifact, form)
    try:
        options = form.options.from_json(manifest.options)
        job = Job(precisions=made.precisions)
        finish = (
            form.again(options, manifest.made, made, job)
            if form.again
            else form.prepare(options, job)
        )
        with temporary_folder() as folder:
            names = copied(artifact.model, folder)
            own = {name: sha256_of(folder / name) for name in names}
            files, record = finish(replace(made, folder=folder))
    except (UsageError, ValueError, TypeError, AttributeError) as error:
        # No command has asked for it: it can only have been written by hand.
        why = str(error)
        if isinstance(error, TypeError | AttributeError):
            why = "what its manifest records of the proof is no record of one"
        raise Departure("manifest", f"{artifact.folder} was altered: {why}") from None
    found = [*_named(artifact, form, {*own, *files}), *_told(artifact, record)]
    for name in sorted(files.keys() & manifest.files.keys()):
        if manifest.files[name].sha256 != files[name]:
            # A copy of the file that was proven is one, whoever wrote it.
            copy = files[name] in own.values()
            message = f"{name} is not what {manifest.form} makes of {MODEL}"
            found.append(Difference(name, message, "" if copy else "resgen"))
    return settle(artifact, found, say)


# --- parts ----------------------------------------------------------------------------


def _named(artifact: Artifact, form: Form, made: set[str]) -> Iterator[Difference]:
    """Files that are missing in the manifest, or that nothing has made."""
    manifest = artifact.manifest
    listed = manifest.files.keys()
    made = {SPEC, GRAPH, WEIGHTS, *made}
    for name in sorted(made - listed):
        yield Difference(name, f"the manifest does not name {name}")
    for name in sorted(listed - made):
        yield Difference(name, f"{name} is no file that {manifest.form} makes")


def _check_owned(artifact: Artifact, form: Form) -> None:
    """Refuse what somebody put where an engine loads whatever there is.

    ``--force`` keeps it, so it is no fault of the file, and building anew is no mend.
    """
    listed = artifact.manifest.files.keys()
    for owned in form.owns:
        top = artifact.folder / owned
        for path in (top, *sorted(top.rglob("*"))):
            name = path.relative_to(artifact.folder).as_posix()
            empty = path.is_dir() and not any(path.iterdir())
            if path.is_symlink() or empty or (path.is_file() and name not in listed):
                raise ResgenError(
                    f"{path} is nothing that {artifact.manifest.form} made, and "
                    f"counts as a part of {owned}",
                    hint="move it away",
                )


def _told(artifact: Artifact, record: Mapping[str, Any]) -> Iterator[Difference]:
    """What the manifest says of what was made."""
    told, should = (
        json.dumps(each, sort_keys=True) for each in (artifact.manifest.made, record)
    )
    if told != should:
        message = f"the manifest's made is {told}; it should be {should}"
        yield Difference("made", message, "resgen")
