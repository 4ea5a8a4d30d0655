"""What the files of a run are called."""

from __future__ import annotations

import re


def file_name(name: str, seed: int) -> str:
    """A file for a network and a seed, whatever the network is called.

    >>> file_name("resnet20 (plain)", 3)
    'resnet20-plain-seed3.safetensors'
    """
    plain = re.sub(r"[^\w.+]+", "-", name).strip("-.")
    return f"{plain or 'network'}-seed{seed}.safetensors"
