"""One network in two files of ONNX or LiteRT, run in turn.

python latency.py prepare SPEC FOLDER
python latency.py run OURS PEER PAIRS FIRST

``prepare`` writes ours and torch.onnx.export's, with the same weights. ``run`` opens
both (FIRST, ``ours`` or ``peer``, before the other), runs them as ABBA, and prints the
seconds of each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

NAMES = ("ours", "peer")


def prepare(spec: str, folder: Path) -> None:
    import torch
    from peers import timm

    from resgen.expansion.network import expand, load
    from resgen.graph.passes import apply
    from resgen.graph.passes.fold_norm import fold_norm
    from resgen.lower.onnx import write

    torch.manual_seed(0)
    model = timm.create_model("resnet50").eval()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    graph = apply(expand(load(spec)), fold_norm)
    write(graph, weights, folder / "ours.onnx", batch=1)
    torch.onnx.export(model, (torch.randn(1, 3, 224, 224),), folder / "peer.onnx")


def opened(file: str) -> Callable[[], object]:
    """A call that runs a file on one picture."""
    import numpy as np

    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    if file.endswith(".tflite"):
        from ai_edge_litert.interpreter import Interpreter

        held = Interpreter(file, num_threads=os.cpu_count())
        held.allocate_tensors()
        given = np.ascontiguousarray(image.transpose(0, 2, 3, 1))
        held.set_tensor(held.get_input_details()[0]["index"], given)
        invoke: Callable[[], object] = held.invoke
        return invoke
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Threads of one session would spin on into the run of the other.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feed)


def run(ours: str, peer: str, pairs: int, first: str) -> None:
    order = NAMES if first == "ours" else NAMES[::-1]
    files = {"ours": ours, "peer": peer}
    calls = {name: opened(files[name]) for name in order}
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}

    def once(name: str) -> float:
        begin = time.perf_counter()
        calls[name]()
        return time.perf_counter() - begin

    for name in order * 5:
        once(name)
    for _ in range(pairs):
        for name in (*order, *order[::-1]):
            seconds[name].append(once(name))
    print(json.dumps(seconds))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(sys.argv[2], Path(sys.argv[3]))
    else:
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
