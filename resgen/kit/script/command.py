"""The command line, as far as it is the same whatever runs the network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from resgen.kit.script.files import Stop


def options_of(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> Any:
    """What is asked: how often it is timed, beside the options of the parser's own."""
    parser.add_argument("--runs", type=int, default=200, help="timed runs")
    parser.add_argument(
        "--warm-up", type=float, default=1.0, help="seconds before them"
    )
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs takes a number from 1")
    if not 0 <= options.warm_up < float("inf"):
        parser.error("--warm-up takes seconds from 0")
    return options


def exit_code(script: str, work: Callable[[], int]) -> int:
    """That of the work; why it ended early is told on stderr."""
    try:
        return work()
    except Stop as stop:
        sys.stderr.write(f"{script}: {stop}\n")
        return stop.code
    except KeyboardInterrupt:
        sys.stderr.write(f"{script}: interrupted\n")
        return 130
