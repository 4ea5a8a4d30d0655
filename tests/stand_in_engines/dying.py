"""An engine whose process is killed when it runs, as native code may do it."""

import os
import signal

from resgen.onnxfile.ends import ends_of
from resgen.runtime.engines import Engine
from resgen.runtime.null import NullSession


def die():
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0.0


def start(opening):
    ends = ends_of(opening.file)
    return NullSession(ends.inputs, ends.outputs, seconds=die)


ENGINE = Engine("Dying", "onnx", ("cpu",), (), "", start)
