"""Runs what a form of the tests' own makes: a network as text, which it can read."""

import json

from resgen.runtime.engines import Engine
from resgen.runtime.null import NullSession


def start(opening):
    graph = json.loads(opening.file.read_text())["graph"]
    assert graph["node"]
    return NullSession({"input": (None, 3, 16, 16)}, {"output": (None, 3)})


ENGINE = Engine("Reading", "text", ("cpu",), (), "", start)
