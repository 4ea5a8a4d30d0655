"""How much noise a precision may make before a file is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resgen.errors import ResgenError
from resgen.proof.accuracy import ENOUGH, Accuracy, BlockNoise
from resgen.proof.classes import same_class, verdict

#: The least signal-to-noise ratio of any block, in dB. Over the zoo, on fresh weights
#: and photographs, the noisiest blocks have 60 (fp16), 37 (bf16), 21 (int8) and 15
#: (fp8); a residual network trained on digits whose int8 file is right within half a
#: point has more. A network that int8 destroys (channels a thousand times as large as
#: their neighbours) has none left.
LEAST_SNR: Final[Mapping[str, float]] = {
    "fp16": 40.0, "bf16": 24.0, "int8": 12.0, "fp8": 10.0,
}  # fmt: skip
#: The least share of equal classes, where there are inputs enough to know it.
LEAST_TOP1: Final[Mapping[str, float]] = {
    "fp16": 0.99, "bf16": 0.98, "int8": 0.95, "fp8": 0.95,
}  # fmt: skip


class Inaccurate(ResgenError):
    """A low precision loses too much; ``blocks`` are those beyond the tolerance."""

    def __init__(
        self, message: str, blocks: tuple[BlockNoise, ...], accuracy: Accuracy
    ) -> None:
        hint = "a bisection finds the blocks to keep in higher precision"
        super().__init__(message, hint=hint)
        self.blocks = blocks
        self.accuracy = accuracy


def failing(accuracy: Accuracy, precision: str) -> tuple[BlockNoise, ...]:
    """The blocks with more noise than the precision may make."""
    least = LEAST_SNR[precision]
    return tuple(block for block in accuracy.blocks if not block.snr >= least)


def judge(accuracy: Accuracy, precision: str) -> None:
    """Raise :class:`Inaccurate` where blocks, outputs or classes are out of tolerance.

    ``precision`` is the narrowest in the network. Blocks are those of the graph, run
    operator by operator; outputs are those of the file, as the engine runs it. Classes
    judge from 300 inputs on.
    """
    blocks = failing(accuracy, precision)
    if blocks:
        worst = min(blocks, key=lambda block: block.snr)
        begins = "" if worst is blocks[0] else f", beginning with {named(blocks[0])}"
        raise Inaccurate(
            f"{precision} loses too much: {decibel_text(worst.snr)} in {named(worst)}"
            f"{begins}; {LEAST_SNR[precision]:.0f} dB are wanted",
            blocks,
            accuracy,
        )
    if not accuracy.snr >= LEAST_SNR[precision]:
        raise Inaccurate(
            f"{precision} loses too much: {decibel_text(accuracy.snr)} in "
            f"{output_text(accuracy)} as {accuracy.judge} computes it, though in no "
            "block; "
            f"{LEAST_SNR[precision]:.0f} dB are wanted",
            (),
            accuracy,
        )
    if accuracy.top1 is None or accuracy.interval is None:
        return
    said = same_class(accuracy.top1, accuracy.top1_output)
    if accuracy.top1[1] >= ENOUGH and accuracy.interval[1] < LEAST_TOP1[precision]:
        raise Inaccurate(
            f"{precision} loses too much: {said} inputs "
            f"(at least {LEAST_TOP1[precision]:.0%} wanted)",
            (),
            accuracy,
        )


def judge_loss(accuracy: Accuracy, precision: str, tolerated: float) -> None:
    """Raise :class:`Inaccurate` where more of top-1 is surely lost than tolerated."""
    found = accuracy.classes
    if found is not None and verdict(found, tolerated) == "beyond":
        low, high = found.interval
        raise Inaccurate(
            f"{precision} loses too much: {found.loss:.2%} of top-1 on {found.inputs} "
            f"inputs (95 %: {low:.2%} to {high:.2%}), and "
            f"{tolerated:.2%} are tolerated",
            (),
            accuracy,
        )


def named(block: BlockNoise) -> str:
    """A block in words."""
    return (
        block.section
        if block.block is None
        else (f"{block.section}, block {block.block}")
    )


def output_text(accuracy: Accuracy) -> str:
    """The output that figures are of, by its name where there are several."""
    several = len(accuracy.outputs) > 1
    return f'output "{accuracy.output}"' if several else "the output"


def decibel_text(snr: float) -> str:
    """A signal-to-noise ratio for people.

    >>> decibel_text(21.04), decibel_text(float("-inf"))
    ('21.0 dB', 'no signal left')
    """
    if snr == float("inf"):
        return "no noise"
    return f"{snr:.1f} dB" if snr > float("-inf") else "no signal left"
