"""Unpack the bundle beside this file into a folder for PYTHONPATH; no network needed.

    python3 unpack.py FOLDER

Only Python's own library is used. The folder appears whole or not at all, and one that
was unpacked from the same bundle is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def unfit():
    """Why this Python cannot use the bundle; nothing where it can."""
    bundle = json.loads((HERE / "bundle.json").read_text("utf-8"))
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here == bundle["python"]:
        return ""
    return f"the bundle is for Python {bundle['python']}, and this is {here}"


def unpack(folder):
    """Fill the folder; what is wrong ends the program with a sentence."""
    why = unfit()
    if why:
        sys.exit(why)
    folder = Path(folder).absolute()
    bundle = json.loads((HERE / "bundle.json").read_text("utf-8"))
    archive = HERE / bundle["archive"]
    seal = folder / ".bundle"
    if seal.is_file() and seal.read_text("utf-8") == bundle["sha256"]:
        return
    if hashlib.sha256(archive.read_bytes()).hexdigest() != bundle["sha256"]:
        sys.exit(f"{archive} is damaged: copy the bundle anew")
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with tarfile.open(archive, "r:xz") as tar:
            # Python 3.11.4 and newer refuse names that lead out of the folder.
            if hasattr(tarfile, "data_filter"):
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(stage)
        (stage / seal.name).write_text(bundle["sha256"], "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(stage, folder)  # noqa: PTH105
    finally:
        shutil.rmtree(stage, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 unpack.py FOLDER")
    unpack(sys.argv[1])
    print(f"PYTHONPATH={Path(sys.argv[1]).absolute()}")
