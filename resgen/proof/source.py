"""The proof of a PyTorch file: it computes what the network's module does, exactly."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from resgen.files.aside import temporary_folder
from resgen.graph.cost import analyse
from resgen.graph.ir import Graph
from resgen.lower.source.write import class_name
from resgen.proof.compare import Departure

if TYPE_CHECKING:
    import torch

#: Multiplications of one input up to which a step of training is compared as well.
TRAINED: Final = 10**10
#: Enough for batch norm to have statistics.
BATCH: Final = 2


def loaded(text: str, weights: Mapping[str, Any]) -> torch.nn.Module:
    """The network of a file's text, run in a namespace of its own, with these weights.

    They have to be the file's own, all of them and no others.
    """
    import torch

    with temporary_folder() as folder:
        path = folder / "model.py"
        path.write_text(text, encoding="utf-8")
        names = runpy.run_path(str(path), run_name="model")
    module: torch.nn.Module = names[class_name(text)]()
    module.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
    return module


def agree(found: torch.nn.Module, wanted: torch.nn.Module, graph: Graph) -> str:
    """Compare two modules to the last bit; what was compared, in words.

    In evaluation their outputs, and in a step of training, of networks that are not too
    large for it, also their gradients and the statistics of batch norm. A difference
    raises :class:`~resgen.proof.compare.Departure`.
    """
    import torch

    draw = torch.Generator().manual_seed(0)
    feeds = [
        torch.randn(BATCH, *each.type.shape, generator=draw) for each in graph.inputs
    ]
    with torch.no_grad():
        ours, theirs = (_named(each.eval()(*feeds)) for each in (found, wanted))
    _compare(ours, theirs, "in evaluation")
    if analyse(graph).macs > TRAINED:
        return f"{BATCH} inputs, in evaluation: the same to the last bit"
    ours, theirs = (dict(_trained(each, feeds)) for each in (found, wanted))
    _compare(ours, theirs, "in training")
    return f"{BATCH} inputs and a step of training: the same to the last bit"


def _named(outputs: Any) -> dict[str, torch.Tensor]:
    return outputs if isinstance(outputs, dict) else {"output": outputs}


def _trained(
    module: torch.nn.Module, feeds: Sequence[torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """All that a step of training leaves, by name."""
    import torch

    torch.manual_seed(0)
    outputs = _named(module.train()(*feeds))
    loss = torch.stack([each.square().mean() for each in outputs.values()]).sum()
    if loss.requires_grad:  # something is learned
        torch.autograd.backward(loss)
    yield from outputs.items()
    yield from module.state_dict().items()
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            yield f"the gradient of {name}", parameter.grad


def _compare(
    found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], when: str
) -> None:
    """Raise unless both are the same, bit by bit."""
    import torch

    for name in found.keys() | wanted.keys():
        a, b = found.get(name), wanted.get(name)
        if a is None or b is None or not torch.equal(a.nan_to_num(), b.nan_to_num()):
            raise Departure(
                name, f"{name} of the PyTorch file is not the network's, {when}"
            )
