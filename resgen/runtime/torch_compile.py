"""``torch.compile`` as an engine: the same module, compiled for its inputs."""

from __future__ import annotations

from typing import Final

from resgen.runtime.base import Session
from resgen.runtime.engines import Engine, Opening
from resgen.runtime.torch import TorchSession


def _open(opening: Opening) -> Session:
    graph, module = opening.network()
    return TorchSession(
        graph, module, device=opening.device, threads=opening.threads, compiled=True
    )


ENGINE: Final = Engine(
    "torch.compile", "module", ("cpu", "cuda"), ("torch",), "torch", _open,
    {"backend": "inductor", "mode": "default"},
)  # fmt: skip
