"""``resgen.export``: a network at a precision, from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from resgen.artifact.make import export as export_source
from resgen.artifact.manifest import Exported, Manifest
from resgen.artifact.request import Wishes
from resgen.artifact.source import from_folder, from_spec
from resgen.calibrate.ranges import Method
from resgen.graph.precision import Name, Precision
from resgen.spec.model import Spec
from resgen.weights.loading import Loading

Say = Callable[[str, str], None]


def export(
    source: Spec | str | Path,
    out: str | Path,
    *,
    precision: Name = "fp32",
    consumer: str = "onnxruntime",
    keep: Sequence[str] = (),
    weights: Path | str | None = None,
    state_dict: Mapping[str, Any] | None = None,
    ema: bool = False,
    key: str | None = None,
    prefix: str | None = None,
    ignore_extra: bool = False,
    adapt: bool = False,
    preprocess: Path | str | None = None,
    seed: int = 0,
    calibration: Path | None = None,
    method: Method = "minmax",
    evaluation: Path | None = None,
    tolerated: float | None = None,
    batch: int | None = None,
    opset: int | None = None,
    dynamic: bool = False,
    camera: tuple[int, int] | None = None,
    search: bool = False,
    verify: bool = True,
    force: bool = False,
    say: Say = lambda label, text: None,
) -> Exported[Manifest]:
    """Write an ONNX file at a precision, proven and judged, to the folder ``out``.

    ``source`` is a spec, or a folder that was built. ``consumer`` is the engine that
    quantisers are placed for, ``onnxruntime`` or ``tensorrt``. A ``state_dict`` may be
    that of a network trained at this precision (``to_torch(graph, precision=...)``):
    then its scales are taken, and nothing is calibrated. With ``search``, blocks are
    kept in higher precision until the tolerance holds. The rest is as in
    :func:`resgen.build` and :class:`~resgen.artifact.request.Wishes`.

    Raises :class:`~resgen.proof.tolerance.Inaccurate` where the precision loses too
    much, and other :class:`~resgen.errors.ResgenError` where something does not fit;
    then nothing is left.
    """
    wanted = Precision(precision, consumer, tuple(keep))
    if isinstance(source, Spec):
        start = from_spec(
            source,
            weights=weights,
            state_dict=state_dict,
            how=Loading(ema, key, prefix, ignore_extra, adapt),
            preprocess=preprocess,
            seed=seed,
            wanted=wanted,
        )
    else:
        start = from_folder(Path(source))
    wishes = Wishes(
        wanted,
        batch,
        opset,
        dynamic,
        calibration,
        method,
        camera,
        search,
        verify,
        evaluation,
        tolerated,
    )
    return export_source(start, out, wishes, force=force, say=say)
