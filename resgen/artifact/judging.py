"""What an export is calibrated on and judged by: inputs, weights and time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import numpy as np

from resgen.artifact.folder import MODEL
from resgen.artifact.ready import Made, as_taken
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source
from resgen.calibrate.lowered import Lowered
from resgen.calibrate.samples import Samples, gather
from resgen.errors import UsageError
from resgen.files.aside import temporary_folder
from resgen.graph.precision import QUANTIZED
from resgen.lower.onnx import write
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import np_dtype

#: Inputs that set batch statistics at once; a norm needs more than one.
BATCH: Final = 8
#: How long a file is timed beside the float32 one, in seconds, and the fewest pairs.
TIMED: Final = 1.0
PAIRS: Final = 5
#: Pairs of which so many are slower, by a median of so much, are not chance.
SLOWER_PAIRS: Final = 0.9
SLOWER: Final = 1.05


def unable(source: Source, wishes: Wishes) -> str | None:
    """What to say of a precision of which the file's engine has no kernels, if any."""
    wanted = wishes.precision
    served = wanted is not None and wanted.consumer == "onnxruntime"
    if not served or "bf16" not in wishes.precisions(source.graph):
        return None
    return (
        "ONNX Runtime has no bfloat16 convolution on the CPU and will not load this "
        "file; TensorRT takes it, and fp16 runs in both"
    )


def inputs_of(source: Source, wishes: Wishes) -> tuple[Samples, Samples | None]:
    """Inputs to calibrate on, and others to judge by, where there are any."""
    given = source.graph, source.spec.preprocess
    labels = source.spec.labels
    samples = gather(wishes.calibration, *given, labels=labels)
    judged = None
    if wishes.evaluation is not None:
        judged = gather(wishes.evaluation, *given, labels=labels)
    elif wishes.precisions(source.graph) & {*QUANTIZED}:
        samples, judged = samples.split()
    if wishes.tolerated is not None and (judged or samples).targets is None:
        raise UsageError(
            "a tolerated loss is of classes told right, and none are known here",
            hint="evaluate on a folder with one folder for each class, or on an .npz "
            'that holds "labels" beside the inputs',
        )
    return samples, judged


def with_statistics(lowered: Lowered) -> Lowered:
    """The same precision on weights whose batch norms hold statistics of the samples.

    In a fresh network they hold 0 and 1, so that signals fade or grow by depth and no
    precision can be judged. The weights are a copy; where there is no batch norm, or
    too few inputs, it is the same.
    """
    import torch

    from resgen.lower.torch import to_torch

    made = lowered.calibrator
    weights = {name: held.copy() for name, held in made.weights.items()}
    module = to_torch(made.graph.inference, weights).eval()
    kind = torch.nn.modules.batchnorm._BatchNorm
    norms = [part for part in module.modules() if isinstance(part, kind)]
    if not norms or made.samples.count < 2:
        return lowered
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        for batch in made.samples.batches(BATCH):
            if len(batch) > 1:
                module(torch.from_numpy(batch))
    held = module.state_dict()
    weights = {name: held[name].numpy().copy() for name in made.weights}
    calibrator = replace(made, weights=weights, learned={})
    return calibrator.at(lowered.wanted)


def slowdown(made: Made) -> float | None:
    """The file's time over the float32 network's, here; None unless it is longer.

    Single runs of both, in turn, by ONNX Runtime on the CPU, which the file has to be
    written for.
    """
    lowered = made.lowered
    types = {node.type.dtype for node in made.file_graph.nodes}
    if lowered.wanted.consumer != "onnxruntime" or "bfloat16" in types:
        return None
    exact = as_taken(lowered.calibrator.folded, made.source, made.wishes)
    (given,) = made.file_graph.inputs
    x = made.inputs(made.wishes.batch or 1)
    with temporary_folder() as folder:
        path = folder / MODEL
        write(exact, lowered.weights, path, batch=made.wishes.batch)
        with (
            OnnxRuntimeSession(path) as wide,
            OnnxRuntimeSession(made.model, any_placement=True) as low,
        ):
            feeds = {
                wide: {given.name: x},
                low: {given.name: x.astype(np_dtype(given.type.dtype))},
            }
            for session, feed in feeds.items():
                session.run(feed)
            ratios: list[float] = []
            end = time.perf_counter() + TIMED
            while len(ratios) < PAIRS or time.perf_counter() < end:
                seconds = []
                for session, feed in feeds.items():
                    begin = time.perf_counter()
                    session.run(feed)
                    seconds.append(time.perf_counter() - begin)
                ratios.append(seconds[1] / seconds[0])
    ratio = float(np.median(ratios))
    surely = float(np.mean(np.array(ratios) > 1)) >= SLOWER_PAIRS
    return ratio if surely and ratio > SLOWER else None
