"""ONNX Runtime with a delay of five per cent in every run."""

import time

from resgen.runtime.engines import Engine
from resgen.runtime.null import spin
from resgen.runtime.onnxruntime import OnnxRuntimeSession

DELAY = 0.05


class Delayed(OnnxRuntimeSession):
    def repeated(self, feeds):
        run = super().repeated(feeds)

        def slowly():
            begin = time.perf_counter()
            run()
            spin(DELAY * (time.perf_counter() - begin))

        return slowly


def start(opening):
    return Delayed(opening.file, threads=opening.threads, lean=False)


ENGINE = Engine("Delayed", "onnx", ("cpu",), (), "", start)
