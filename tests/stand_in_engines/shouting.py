"""An engine that writes where its process answers, and does not load."""

import os

from resgen.errors import ResgenError
from resgen.runtime.engines import Engine


def start(opening):
    print("a banner on standard output", flush=True)
    os.write(1, b"\x80native noise\n")
    raise ResgenError(f"Shouting does not load {opening.file}", hint="be quiet")


ENGINE = Engine("Shouting", "onnx", ("cpu",), (), "", start)
