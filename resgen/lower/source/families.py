"""Bodies that can be one class: alike, but for modules that some of them pass by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from resgen.lower.source.bodies import Body, Step
from resgen.lower.source.expressions import skeleton

#: How many modules a class may have that not all its instances do.
MOST_OPTIONAL: Final = 4
#: How many steps a class has at most that is sought to hold for several bodies.
LONGEST: Final = 300
#: How many steps an alignment may try.
_TRIES: Final = 2000


@dataclass(slots=True)
class Family:
    """Bodies of one class, which has all their steps.

    ``steps`` is one body's, with those of others put in; ``members`` are which of each
    body's steps these are, None where it passes one by.
    """

    first: Body
    steps: list[Step]
    outputs: tuple[int, ...]
    bodies: list[Body]
    members: list[list[Step | None]]

    @classmethod
    def of(cls, body: Body) -> Family:
        steps: list[Step | None] = [*body.steps]
        return cls(body, [*body.steps], body.outputs, [body], [steps])

    def optional(self, at: int) -> bool:
        """Whether some body passes this step by."""
        return any(row[at] is None for row in self.members)

    def admit(self, body: Body) -> bool:
        """Take a body in, if it is like the others."""
        most = max(len(self.steps), len(body.steps))
        if most > LONGEST or _fixed(body) != _fixed(self.first):
            return False
        found = _Alignment(self, body).run()
        if found is None:
            return False
        union, outputs = found
        both = sum(old is not None and new is not None for _, old, new in union)
        if 2 * both < most:
            return False
        lacking = [
            new is None or old is None or self.optional(old) for _, old, new in union
        ]
        if sum(lacking) > MOST_OPTIONAL:
            return False
        made = [s.path for s, _, _ in union if s.expr is not None and not s.plain]
        if len(made) != len(set(made)):  # two modules cannot have one name
            return False
        self.members = [
            [None if old is None else row[old] for _, old, _ in union]
            for row in self.members
        ]
        self.members.append([new for _, _, new in union])
        self.bodies.append(body)
        self.steps = [step for step, _, _ in union]
        self.outputs = outputs
        return True


def _fixed(body: Body) -> Any:
    """What all bodies of a class have alike."""
    held = [(p, trained, skeleton(e)) for p, (trained, e) in body.attributes.items()]
    return body.inputs, len(body.outputs), held


#: A step of a class, and which of its own and of a body's it is.
_Union = list[tuple[Step, int | None, Step | None]]


class _Alignment:
    """The steps of a class and of a body, side by side."""

    def __init__(self, family: Family, body: Body) -> None:
        self.ours, self.theirs = family.steps, body.steps
        self.ends, self.others = family.outputs, body.outputs
        self.inputs = body.inputs
        self.kinds = [[s.kind for s in steps] for steps in (self.ours, self.theirs)]
        self.tries = _TRIES
        self.fresh = 1 + max(
            (v for s in (*self.ours, *self.theirs) for v in s.outputs), default=0
        )

    def run(self) -> tuple[_Union, tuple[int, ...]] | None:
        """The steps of both and the outputs; None where they are not alike."""
        start = {value: value for value in range(self.inputs)}
        return self.search(0, 0, start, {}, [])

    def search(
        self,
        i: int,
        j: int,
        known: dict[int, int],
        past: dict[int, int],
        union: _Union,
    ) -> tuple[_Union, tuple[int, ...]] | None:
        """From the step ``i`` of ours and ``j`` of theirs on.

        ``known`` are their values by ours, ``past`` is what replaces a value of ours
        where they have another module behind it.
        """
        self.tries -= 1
        if self.tries < 0:
            return None
        if i == len(self.ours) and j == len(self.theirs):
            ends = self.meet(self.ends, self.others, known, past)
            return None if ends is None else (union, ends)
        ours = self.ours[i] if i < len(self.ours) else None
        theirs = self.theirs[j] if j < len(self.theirs) else None
        if ours and theirs and self.kinds[0][i] == self.kinds[1][j]:
            inputs = self.meet(ours.inputs, theirs.inputs, known, past)
            if inputs is not None:
                both = zip(ours.outputs, theirs.outputs, strict=True)
                step = replace(ours, inputs=inputs)
                found = self.search(
                    i + 1, j + 1, {**known, **dict(both)}, past,
                    [*union, (step, i, theirs)],
                )  # fmt: skip
                if found is not None:
                    return found
        if ours and ours.passes and ours.expr is not None:
            (made,) = ours.outputs
            inputs = tuple(past.get(value, value) for value in ours.inputs)
            if all(value in known for value in inputs):
                found = self.search(
                    i + 1, j, {**known, made: known[inputs[0]]}, past,
                    [*union, (replace(ours, inputs=inputs), i, None)],
                )  # fmt: skip
                if found is not None:
                    return found
        if theirs and theirs.module and theirs.passes and theirs.expr is not None:
            (source,), (made,) = theirs.inputs, theirs.outputs
            for own in [o for o, other in reversed(known.items()) if other == source]:
                new = self.fresh
                self.fresh += 1
                step = replace(theirs, inputs=(own,), outputs=(new,))
                found = self.search(
                    i, j + 1, {**known, new: made}, {**past, own: new},
                    [*union, (step, None, theirs)],
                )  # fmt: skip
                if found is not None:
                    return found
        return None

    def meet(
        self,
        ours: Sequence[int],
        theirs: Sequence[int],
        known: dict[int, int],
        past: dict[int, int],
    ) -> tuple[int, ...] | None:
        """The values that both read, or None where they read different ones."""
        found = []
        for own, other in zip(ours, theirs, strict=True):
            at: int | None = own
            while at is not None and known.get(at) != other:
                at = past.get(at)
            if at is None:
                return None
            found.append(at)
        return tuple(found)
