"""Colours of classes, and where a place of an input lies in its picture."""

from __future__ import annotations

import numpy as np
import pytest

from resgen.pictures.draw import PALETTE, colours
from resgen.pictures.preprocess import prepare, seen
from resgen.spec.model import Preprocess


def test_classes_have_colours_of_their_own() -> None:
    assert len(set(PALETTE)) == len(PALETTE) == 23
    for numbers in (range(23), (5, 28, 51, 0), [21, 20, 0]):
        assert len(set(colours(numbers).values())) == len(numbers)
    # The largest keeps its own, whatever else is there.
    assert colours([7])[7] == colours([7, 30, 53])[7]
    assert len(colours(range(100))) == 100


@pytest.mark.parametrize("size", [(90, 60), (61, 97), (20, 30), (48, 48)])
@pytest.mark.parametrize(
    ("resize", "crop"), [(48, None), (40, None), (64, 56), (None, None), (None, 40)]
)
def test_seen_inverts_the_preparation(
    size: tuple[int, int], resize: int | None, crop: int | None
) -> None:
    """A picture whose colours say where they are says so of the input's places too."""
    width, height = size
    across, down = np.meshgrid(
        (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    )
    ramp = np.stack([across, down, np.ones_like(down)], 2)
    how = Preprocess(resize=resize, crop=crop, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = prepare(np.rint(ramp * 255).astype(np.uint8), how, (3, 48, 40))
    left, top, right, bottom = seen(size, how, (3, 48, 40))
    at_x = left + (np.arange(40) + 0.5) / 40 * (right - left)
    at_y = top + (np.arange(48) + 0.5) / 48 * (bottom - top)
    inner_x = (at_x > 0.05) & (at_x < 0.95)
    inner_y = (at_y > 0.05) & (at_y < 0.95)
    half = 1.5 / min(size) / 2  # of a pixel, which the filters' rounding stays below
    inner = np.ix_(inner_y, inner_x)
    np.testing.assert_allclose(
        found[0][inner], np.broadcast_to(at_x, (48, 40))[inner], atol=half
    )
    np.testing.assert_allclose(
        found[1][inner], np.broadcast_to(at_y[:, None], (48, 40))[inner], atol=half
    )
    frame = np.ix_((at_y < -0.05) | (at_y > 1.05), np.ones(40, bool))
    assert not found[2][frame].any()
