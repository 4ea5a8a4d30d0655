"""torch.profiler's view of a network in eager mode, by the network's own names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from resgen.attribution.names import label
from resgen.attribution.operators.typical import typical
from resgen.records.profile import OperatorTime
from resgen.runtime.torch import load_torch

if TYPE_CHECKING:
    import torch

#: How ranges of the profile begin that stand for operators of the network.
_MARK: Final = "resgen:"


def profile_torch(
    module: torch.nn.Module,
    inputs: Sequence[torch.Tensor],
    runs: int = 10,
    warm_up: int = 2,
) -> tuple[OperatorTime, ...]:
    """Every operator of a module that :func:`resgen.lower.torch.to_torch` made.

    ``module`` and ``inputs`` lie where it is to run. An operator's time is that of the
    kernels that it starts: on the device, where they run on one, else on the
    processor. It is typical of ``runs``; Python's own time is left out.
    """
    torch = load_torch("its operators cannot be timed")
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    on_device = any(x.is_cuda for x in inputs)
    if on_device:
        activities.append(ProfilerActivity.CUDA)
    with torch.inference_mode(), _marked(module):
        for _ in range(warm_up):
            module(*inputs)
        with profile(activities=activities, acc_events=True) as taken:
            for _ in range(runs):
                module(*inputs)
            if on_device:
                torch.cuda.synchronize()
    return _times(taken.events(), runs, on_device)


@contextmanager
def _marked(module: torch.nn.Module) -> Iterator[None]:
    """While inside, every operator of the module runs within a range of its name."""
    from torch import fx
    from torch.profiler import record_function

    class Marked(fx.Interpreter):
        def __init__(self, part: fx.GraphModule, path: str) -> None:
            super().__init__(part)
            self.path = path

        def run_node(self, n: fx.Node) -> Any:
            target = f"{self.path}{n.target}"
            if n.op not in ("call_module", "call_function") or target in parts:
                return super().run_node(n)
            # A name that would be no word within its part is the whole path as one.
            whole = self.path and n.name.startswith(label(self.path))
            name = n.name if whole else f"{self.path}{n.name}"
            with record_function(f"{_MARK}{name}"):
                return super().run_node(n)

    parts = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, fx.GraphModule)
    }
    with ExitStack() as undo:
        for name, part in parts.items():
            # An attribute of the instance hides the method, and nothing else changes.
            run = Marked(part, f"{name}." if name else "").run
            part.__dict__["forward"] = run
            undo.callback(part.__dict__.pop, "forward")
        yield


def _times(events: Any, runs: int, on_device: bool) -> tuple[OperatorTime, ...]:
    # By the range that an operator ran in, once a run.
    spent: dict[str, dict[int, float]] = {}
    kinds: dict[str, dict[str, float]] = {}
    for event in events:
        if event.name.startswith(_MARK):
            name = event.name.removeprefix(_MARK)
            spent.setdefault(name, {}).setdefault(id(event), 0.0)
            continue
        above = event.cpu_parent
        while above is not None and not above.name.startswith(_MARK):
            above = above.cpu_parent
        if above is None:
            continue
        name = above.name.removeprefix(_MARK)
        micros = (
            event.self_device_time_total if on_device else event.self_cpu_time_total
        )
        ranges = spent.setdefault(name, {})
        ranges[id(above)] = ranges.get(id(above), 0.0) + micros * 1e-6
        own = kinds.setdefault(name, {})
        own[event.name] = own.get(event.name, 0.0) + micros
    return tuple(
        OperatorTime(
            name=name,
            kind=max(kinds[name], key=kinds[name].__getitem__),
            seconds=typical(list(ranges.values()), runs),
            nodes=(name,),
        )
        for name, ranges in spent.items()
        if name in kinds
    )
