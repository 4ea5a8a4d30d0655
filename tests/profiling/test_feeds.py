"""Inputs for a file of anybody's, which may have several."""

from __future__ import annotations

import pytest

from resgen.errors import UsageError
from resgen.profiling.feeds import feeds_of
from resgen.runtime.null import NullSession

TWO = {"image": (None, 3, None, None), "ids": (None, None), "factor": ()}


def test_each_input_takes_the_shape_of_its_name():
    shapes = {"image": (3, 8, 9), "ids": (5,)}
    feeds = feeds_of(NullSession(TWO, {}), 2, shapes)
    assert {name: x.shape for name, x in feeds.items()} == {
        "image": (2, 3, 8, 9), "ids": (2, 5), "factor": ()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "says", "mend"),
    [
        ({"image": (3, 8, 9)}, '"ids" is .* open', "ids=224"),
        ({"": (5,)}, 'does not fit the input "image"', "image=3x224x224"),
        ({"text": (5,)}, "there is no input text; the inputs are image, ids", None),
    ],
)
def test_what_fits_no_input_is_told_with_a_shape_that_would(shapes, says, mend):
    with pytest.raises(UsageError, match=says) as caught:
        feeds_of(NullSession(TWO, {}), 2, shapes)
    assert mend is None or mend in caught.value.hint
