"""What an engine is asked to be, and what was built."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resgen.tensorrt.flavor import Flavor
from resgen.tensorrt.profiles import Profile, Span, format_profile


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """Everything besides the ONNX file that an engine depends on.

    ``targets`` are compute capabilities. ``precision`` is that of the file: it is
    strongly typed, so this changes nothing but that an fp32 network is computed without
    TF32, whose ten bits would not pass for float32. ``workspace`` is in bytes; it and
    ``level`` are TensorRT's own where they are None.
    """

    flavor: Flavor
    targets: tuple[str, ...]
    precision: str = "fp32"
    profiles: tuple[Span, ...] = ()
    workspace: int | None = None
    level: int | None = None

    @property
    def flags(self) -> dict[str, Any]:
        """Every setting of the builder, as manifests record them."""
        return {
            "precision": self.precision,
            "strongly_typed": True,
            "tf32": self.precision != "fp32",
            "workspace_bytes": self.workspace,
            "optimization_level": self.level,
            "profiling_verbosity": "detailed",
            "require_user_allocation": self.flavor.ahead,
        }

    @property
    def words(self) -> list[str]:
        """The same in options of the command line."""
        words = ["--target", ",".join(self.targets), "--flavor", self.flavor.key]
        for span in self.profiles:
            words += ["--profile", format_profile(span)]
        if self.workspace is not None:
            words += ["--workspace", str(self.workspace)]
        if self.level is not None:
            words += ["--optimization-level", str(self.level)]
        return words

    def command(self, source: str, options: Sequence[str] = ()) -> str:
        """What builds such an engine of ``source`` anew, with further options."""
        return shlex.join([*self._begins(source), *options, "--rebuild"])

    def is_asked_by(self, command: str) -> bool:
        """Whether it is such a command, and a shell reads no other in it.

        What it says further (a seed, a folder) is the user's.
        """
        try:
            words = shlex.split(command)
        except ValueError:  # a quotation without an end
            return False
        begins = self._begins("".join(words[2:3]))
        options = words[len(begins) : -1]
        return self.command(begins[2], options) == command

    def _begins(self, source: str) -> list[str]:
        return ["resgen", "export", source, "--to", "tensorrt", *self.words]


@dataclass(frozen=True, slots=True)
class Built:
    """An engine in memory.

    ``engine`` and ``timing_cache`` offer their bytes as buffers. ``layers`` is what
    became of the network, as :mod:`resgen.tensorrt.layers` describes it.
    """

    engine: Any
    timing_cache: bytes | None
    version: str
    profiles: tuple[Profile, ...]
    layers: Mapping[str, Any]
