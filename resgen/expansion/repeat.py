"""A block written again: those of a stage often differ in their paths alone.

Running the same elements on a value of the same type, with arguments that are the same,
adds the same nodes. Where no expression has another value for the number of the next
block, the nodes of one are those of the next under another path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from resgen.expansion.builder import Added, Builder, Val
from resgen.expansion.evaluate import Numbered
from resgen.expansion.site import Site
from resgen.graph.ir import Node, Parameter


@dataclass(frozen=True, slots=True)
class Written:
    """What a block that entered at ``site`` made of ``x``, in a certain situation.

    ``first`` is the number of its first inner scope, ``cost`` what its examination
    took, ``numbered`` are the expressions that have asked for the block's number.
    """

    situation: tuple[Any, ...]
    x: Val
    made: Val
    site: Site
    first: int
    added: Added
    cost: float
    numbered: tuple[Numbered, ...]

    @property
    def stands_alone(self) -> bool:
        """Whether all of it lies below its path and reads nothing but what entered."""
        below, added = f"{self.site.path}.", self.added
        names = {node.name for node in added.nodes}
        own = (
            *names,
            *added.parameters,
            *added.owners,
            *(s.path for s in added.scopes),
        )
        read = {name for node in added.nodes for name in node.inputs} - names
        parameters = {name for node in added.nodes for name in node.references()}
        return (
            self.site.path != ""
            and all(name.startswith(below) for name in own)
            and read <= {self.x.name}
            and parameters <= added.parameters.keys()
            and self.made.name in names
        )

    def again(self, builder: Builder, x: Val, site: Site) -> Val | None:
        """The value of the same block at another site; None if it is to be run there.

        It is another one then, or what is wrong with it is to be told.
        """
        if not all(each.holds(site.positions) for each in self.numbered):
            return None
        cut, path = len(self.site.path), site.path
        shift = len(builder.scopes) - self.first

        def moved(name: str) -> str:
            return path + name[cut:]

        def scope(number: int) -> int:
            return number + shift if number >= self.first else site.scope

        def node(of: Node) -> Node:
            owner = of.owner and moved(of.owner)
            roles = [name[len(of.owner) + 1 :] for name in self.added.roles(of)]
            names = {role: f"{owner}.{role}" if role else owner for role in roles}
            origin = of.origin
            return Node(
                moved(of.name),
                of.op,
                tuple([x.name if n == self.x.name else moved(n) for n in of.inputs]),
                of.type,
                scope(of.scope),
                builder.origin(site.section, site.block, origin.role, origin.place),
                tuple(of.op.operands(names).items()) if owner else (),
                owner,
                precision=of.precision,
            )

        def parameter(of: Parameter) -> Parameter:
            # `dataclasses.replace` takes four times as long.
            return Parameter(moved(of.name), of.shape, of.init, of.trainable, of.dtype)

        added = Added(
            list(map(node, self.added.nodes)),
            {p.name: p for p in map(parameter, self.added.parameters.values())},
            {moved(o): tuple(map(moved, n)) for o, n in self.added.owners.items()},
            [replace(s, path=moved(s.path), parent=scope(s.parent or 0))
             for s in self.added.scopes],
        )  # fmt: skip
        if not builder.adopt(added):
            return None
        return replace(self.made, name=moved(self.made.name))
