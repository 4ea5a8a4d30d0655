"""What only a Jetson has: the power mode, and clocks that jetson_clocks has pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

#: Endings of the GPU's name among the devices whose clocks are scaled.
JETSON_GPUS = ("gpu", "gv11b", "ga10b", "gb10b")


def read_board(root: Path) -> dict[str, Any]:
    """``power_mode`` and ``clocks_pinned``, null on other machines.

    The formats are of NVIDIA's Jetson Linux Developer Guide (nvpmodel, jetson_clocks).
    """
    status = re.search(r"pmode:(\d+)", read_text(root / "var/lib/nvpmodel/status"))
    mode = None
    if status is not None:
        mode = str(int(status.group(1)))
        modes = r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>"
        names = dict(re.findall(modes, read_text(root / "etc/nvpmodel.conf")))
        mode = f"{names[mode]} ({mode})" if mode in names else mode
    pinned = None
    for folder in (root / "sys/class/devfreq").glob("*"):
        if folder.name.endswith(JETSON_GPUS):
            low, high = (read_text(folder / f"{end}_freq") for end in ("min", "max"))
            pinned = (pinned is not False) and bool(low) and low == high
    return {"power_mode": mode, "clocks_pinned": pinned}


def read_text(path: Path) -> str:
    """A file of the system's; nothing where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
