"""The machine that is measured on: what it is, how it is doing, and what it lacks.

It is read from files of the system and, of a GPU, from its driver. No name of a person
or a host is among it.
"""

from resgen.machine.energy import Energy, energy
from resgen.machine.environment import environment
from resgen.machine.state import snapshot
from resgen.machine.steadiness import unsteady

__all__ = ["Energy", "energy", "environment", "snapshot", "unsteady"]
