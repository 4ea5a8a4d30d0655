"""Pack what a GPU machine without a package index needs: `make gpu-bundle`.

    python tests/gpu/bundle.py [--out FOLDER] [--preset 0..9]

TensorRT for RTX of the installed version (libraries, ONNX parser, the bindings of
Python 3.12), what resgen's core needs and is rare (rfc8785) and resgen's own wheel go
into one archive beside an `unpack.py`. xz takes about five minutes: its filter for x86
code and a dictionary larger than the library are what brings 240 MB below the limit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "3.12"
ARCHIVE = "bundle.tar.xz"
LIMIT = 64 << 20
#: Copied from this environment, as they hold no code for one Python only.
INSTALLED = ("tensorrt_rtx", "tensorrt_rtx_cu13", "tensorrt_rtx_cu13_libs", "rfc8785")
BINDINGS = "tensorrt_rtx_cu13_bindings"


def filters(preset):
    """The x86 filter, and LZMA2 as it was found to pack this library best."""
    best = {"id": lzma.FILTER_LZMA2, "preset": preset}
    if preset == 9:
        best["preset"] = 9 | lzma.PRESET_EXTREME
        best.update(dict_size=256 << 20, lc=4, lp=0, pb=0)
    return [{"id": lzma.FILTER_X86}, best]


def installed_files(name):
    """A distribution's files by where they belong, compiled ones left out."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        print(f"{name} is not installed: pip install tensorrt-rtx", file=sys.stderr)
        sys.exit(3)
    return {
        file.as_posix(): Path(str(found.locate_file(file)))
        for file in found.files or ()
        if file.parts[0] != ".." and file.suffix != ".pyc"
    }


def wheel_files(folder):
    """The files of the wheels in a folder, unpacked beside them."""
    target = folder / "unpacked"
    for wheel in folder.glob("*.whl"):
        with ZipFile(wheel) as archive:
            archive.extractall(target)
    return {
        path.relative_to(target).as_posix(): path
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        sys.exit(1)


def collect(folder):
    """Every file that the bundle holds, by its path in it."""
    files = {}
    for name in INSTALLED:
        files.update(installed_files(name))
    exact = f"{BINDINGS}=={distribution(INSTALLED[0]).version}"
    for_python = ("--python-version", PYTHON, "--only-binary=:all:")
    pip("download", "--quiet", "--no-deps", *for_python, "-d", str(folder), exact)
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation")
    pip(*build, "-w", str(folder), str(ROOT))
    files.update(wheel_files(folder))
    return files


def pack(files, out, *, preset=9, limit=LIMIT):
    """Write the folder ``out``, whole or not at all; returns its size in bytes."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        archive = stage / ARCHIVE
        with (
            lzma.open(archive, "wb", filters=filters(preset)) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name, path in sorted(files.items()):
                # Neither time nor owner: the same files are the same archive.
                entry = tarfile.TarInfo(name)
                content = path.read_bytes()
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
        sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
        described = {"archive": ARCHIVE, "sha256": sha256, "python": PYTHON}
        (stage / "bundle.json").write_text(json.dumps(described) + "\n", "utf-8")
        shutil.copy(Path(__file__).with_name("unpack.py"), stage)
        size = sum(path.stat().st_size for path in stage.iterdir())
        if size > limit:
            raise ValueError(
                f"the bundle is {size / 2**20:.1f} MiB, and {limit / 2**20:.1f} MiB "
                "is what may be carried"
            )
        stage.chmod(0o755)
        shutil.rmtree(out, ignore_errors=True)
        stage.replace(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-bundle")
    parser.add_argument("--preset", type=int, default=9, choices=range(10))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = collect(Path(folder))
        whole = sum(path.stat().st_size for path in files.values())
        print(f"packing {len(files)} files, {whole / 2**20:.0f} MiB", flush=True)
        try:
            size = pack(files, options.out, preset=options.preset)
        except ValueError as error:
            sys.exit(str(error))
    print(f"{options.out}: {size / 2**20:.1f} MiB of at most {LIMIT / 2**20:.0f}")


if __name__ == "__main__":
    main()
