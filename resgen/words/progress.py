"""How long work tells what it has done."""

from __future__ import annotations


class Progress:
    """Is told of steps that are done and of how far the one under way has come.

    This one listens to nothing; a caller who wants to know overrides either method.
    """

    def say(self, label: str, text: str) -> None:
        """A step is done: its name (``onnx``), and what came of it, in lines."""

    def advance(self, step: str, done: int, total: int) -> None:
        """So much of the step under way is done."""


#: Tells nobody anything.
SILENT = Progress()
