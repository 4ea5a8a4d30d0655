"""Where in the network a body is being run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resgen.expansion.evaluate import Frame
from resgen.spec.model import Argument

#: Arguments that operators have here unless an element says them, with their frame.
OperatorDefaults = Mapping[str, Mapping[str, tuple[Argument, Frame]]]


@dataclass(slots=True, eq=False)
class Site:
    """Section, block and scope; positions that expressions see; ambient dilation.

    ``undo`` says that strides become 1 here, ``shared`` that parameters which exist
    already are used again, ``label`` names the site in messages, ``precision`` is what
    nodes here are to compute in (empty: nothing says).
    """

    section: int
    block: int | None
    role: str
    label: str
    scope: int
    path: str
    positions: dict[str, Any]
    operators: OperatorDefaults
    dilation: int = 1
    undo: bool = False
    shared: bool = False
    precision: str = ""

    def with_role(self, role: str) -> Site:
        """The same site for another part of a residual element."""
        return self._changed(role, self.scope, self.path, self.positions)

    def using(self, channels: int | tuple[Any, ...]) -> Site:
        """The site inside a `use`, which sees these channels (of a list, a list)."""
        positions = {**self.positions, "channels": channels}
        return self._changed(self.role, self.scope, self.path, positions)

    def within(self, scope: int, path: str) -> Site:
        """The site inside a scope."""
        return self._changed(self.role, scope, path, self.positions)

    def _changed(
        self, role: str, scope: int, path: str, positions: dict[str, Any]
    ) -> Site:
        # Several for each element: `dataclasses.replace` takes six times as long.
        return Site(
            self.section,
            self.block,
            role,
            self.label,
            scope,
            path,
            positions,
            self.operators,
            self.dilation,
            self.undo,
            self.shared,
            self.precision,
        )


def joined(path: str, component: str) -> str:
    """A component laid on a path; a leading ``/`` begins at the root."""
    if component.startswith("/"):
        return component[1:]
    if not component:
        return path
    return f"{path}.{component}" if path else component
