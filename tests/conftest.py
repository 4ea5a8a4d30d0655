"""What every test may use."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# One example may include a torch session, whose first run is slow: no deadline. The
# same examples on every machine, so that a failure in one place is one in all.
settings.register_profile("resgen", deadline=None, derandomize=True)
settings.load_profile("resgen")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def specs(root: Path) -> Path:
    """The folder of the zoo."""
    return root / "specs"


@pytest.fixture(scope="session")
def peers() -> ModuleType:
    """``peers.torchvision`` and ``peers.timm``; see tests/peers.py.

    Importing them takes seconds, so a module under test asks for this fixture and
    never imports them at its top; mark such a test with ``peers``.
    """
    return import_module("peers")
