"""Channels taken away once: what goes, what is left, and what that learns again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.api.pruned import blocks, chosen, free_groups
from resgen.api.tuned import batches, right, tuned
from resgen.artifact.shrunk import Accuracy, Layer, Right, Smaller
from resgen.diagnosis.data.learned import Known
from resgen.graph.ir import Graph
from resgen.pictures.configuration import members
from resgen.proof.same_cut import prove_cut
from resgen.recovery.imported import Imported, imported
from resgen.shrinking.choose import Choice, Scores, scales_of
from resgen.shrinking.cut import Size, cut, stayed
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled, labelled
from resgen.shrinking.seen import sensitivity, settled
from resgen.spec.model import Spec
from resgen.weights.evaluate import Weights
from resgen.words.numbers import count, share
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.diagnosis.training.state import States

#: Batches on which layers are tried one by one.
TRIED = 2


@dataclass(frozen=True)
class Taken:
    """What is left after channels were taken away once, and how they were compared.

    ``found`` are the labels of the network that lost them, ``free`` its groups and
    ``scores`` what their channels were worth. ``states`` are what training can be taken
    up again from, in ``folder``.
    """

    made: Imported
    told: Smaller
    found: Labelled
    weights: Weights
    free: Sequence[Group]
    scores: Sequence[Scores]
    folder: Path
    states: States | None

    def sensitivity(
        self, data: Known, progress: Progress
    ) -> Sequence[tuple[float, ...]]:
        """By how much the loss is larger without a part of each layer's channels."""
        tried = [batch for batch, _ in zip(batches(data), range(TRIED), strict=False)]
        output = data.dataset.scores.name
        made = []
        each = sensitivity(
            self.found, self.free, self.scores, self.weights, tried, output
        )
        for number, losses in enumerate(each):
            progress.advance("trying layers", number, len(self.free))
            made.append(losses)
        return made

    def layers(
        self, told: Smaller, measured: Sequence[tuple[float, ...]] = ()
    ) -> Iterator[Layer]:
        """The groups by the first parameter of each, with what is left of the whole."""
        kept = {theirs: told.kept.get(ours) for ours, theirs in told.names.items()}
        for at, (group, each) in enumerate(zip(self.free, self.scores, strict=True)):
            name, axis = group.axes[0]
            places = np.flatnonzero(np.isin(self.found.axes[name, axis], group.classes))
            axes = kept[name]
            stays = None if axes is None else axes[axis]
            left = places.size if stays is None else int(np.isin(places, stays).sum())
            sums = np.cumsum(np.sort(each))
            yield Layer(
                name.rpartition(".")[0] or name,
                places.size,
                left,
                tuple(float(sums[each.size * n // 4 - 1]) for n in (1, 2, 3))
                if each.size >= 4 and np.isfinite(sums).all()
                else (),
                measured[at] if measured else (),
            )

    def discard(self) -> None:
        """Remove what training could have been taken up again from."""
        if self.states is not None:
            self.states.discard()
            with suppress(OSError):
                self.folder.rmdir()  # only if it is empty


@dataclass(frozen=True)
class Job:
    """A whole network that is to be made smaller, as :class:`Shrinking` asks.

    With ``data`` there is how much of them it tells ``right``; what is left is trained
    on ``device``.
    """

    spec: Spec
    graph: Graph
    weights: Weights
    before: Size
    name: str
    data: Known | None
    right: Right | None
    device: str
    progress: Progress

    def taken(
        self,
        asked: Shrinking,
        folder: Path,
        left: Imported | None = None,
        names: Mapping[str, str] | None = None,
    ) -> Taken:
        """What is left of the network, or of what was ``left`` of it before.

        ``names`` are then what the whole calls its parameters. What training can be
        taken up again from lies in ``folder``.
        """
        graph, held = (
            (self.graph, self.weights)
            if left is None
            else (left.graph.inference, left.weights)
        )
        data, progress = self.data, self.progress
        gone, shallow = blocks(graph, held, asked, data, progress)
        found = labelled(shallow)
        weights = {p.name: held[p.name] for p in shallow.parameters}
        free = free_groups(found, asked, names or {})
        progress.say(
            "groups",
            f"{count(len(free), 'group')} of channels that go together, "
            f"{sum(each.classes.size for each in free):,} choices",
        )
        if asked.measure == "norm":
            without = sum(not scales_of(found, group) for group in free)
            if without:
                said = f"{without} of them without a norm: by the size of their weights"
                progress.say("groups", said)
        scores, choice, latency = chosen(
            found, free, self.before, weights, self.graph, asked, data, progress
        )
        made = imported(
            cut(found, weights, choice.gone).called(self.name),
            whole=(self.spec, self.graph),
            stated=self._stated,
        )
        progress.say("cut", _sizes(self.before, choice.size))
        theirs = {
            ours: made.flat.sources[name][0] for ours, name in made.parameters.items()
        }
        proven = None
        if asked.verify:
            proven = _proven(found, choice, made, theirs, progress)
        accuracy = tuning = states = None
        if data is not None and self.right is not None:
            if proven is not None:
                proven = {**proven, "of": "the cut, with the numbers that it took over"}
            inputs = (batch.images for batch in batches(data))
            made = replace(made, weights=settled(made.graph, made.weights, inputs))
            accuracy = Accuracy(
                data=data.dataset.about.origin,
                inputs=data.dataset.about.held_back,
                labels="data" if data.labelled else "network",
                before=self.right,
                after=right(data, made.graph, made.weights),
            )
            if asked.finetune is not None:
                whole = self.graph, self.weights
                learned, tuning, states = tuned(
                    made, whole, data, asked, self.device, folder, progress
                )
                made = replace(made, weights=learned)
                accuracy = replace(accuracy, tuned=right(data, made.graph, learned))
            for line in accuracy.lines():
                progress.say("accuracy", line)
        told = Smaller(
            before=self.before,
            after=choice.size,
            importance=asked.measure,
            kept=_kept(found, choice, theirs),
            names=theirs,
            blocks=gone,
            accuracy=accuracy,
            tuning=tuning,
            latency=latency,
            proven=proven,
        )
        return Taken(made, told, found, weights, free, scores, folder, states)

    def _stated(self, made: Spec) -> dict[str, Any]:
        """What the whole network's spec says of pictures and labels."""
        same = made.preprocess == self.spec.preprocess
        said = {} if same else members(made, self.spec)
        labels = None if self.spec.labels == made.labels else self.spec.labels
        return said | ({"labels": list(labels)} if labels else {})


def _sizes(before: Size, after: Size) -> str:
    return (
        f"{after} ({share(after.macs, before.macs)}, "
        f"{share(after.params, before.params)} and "
        f"{share(after.memory, before.memory)})"
    )


def _proven(
    found: Labelled,
    choice: Choice,
    made: Imported,
    names: Mapping[str, str],
    progress: Progress,
) -> Mapping[str, Any]:
    proven = prove_cut(found, choice.gone, made.graph, names)
    if proven["verdict"] == "equal":
        progress.say(
            "verify",
            "what is left = the whole without what went: largest difference "
            f"{proven['largest_difference']:.1e} of the output, in float64",
        )
    for note in proven.get("notes", ()):
        progress.say("verify", f"not compared with the whole: {note}")
    return proven


def _kept(
    found: Labelled, choice: Choice, names: Mapping[str, str]
) -> dict[str, tuple[tuple[int, ...] | None, ...]]:
    """The positions that stayed along the axes of each parameter that lost some."""
    made = {}
    for ours, name in names.items():
        axes = stayed(found, name, choice.gone)
        if any(axis is not None for axis in axes):
            made[ours] = tuple(None if a is None else tuple(a.tolist()) for a in axes)
    return made
