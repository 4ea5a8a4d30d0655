"""The sizes that an engine takes."""

from __future__ import annotations

import pytest

from resgen.errors import UsageError
from resgen.tensorrt.profiles import DEFAULT, parse_profile, resolve

BATCH = {"input": (None, 3, 32, 32)}
ALL = {"input": (None, 3, None, None)}
FIXED = {"input": (4, 3, 32, 32)}
SHAPES = "1x3x64x64,4x3x96x96,8x3x128x160"


def spans(*texts):
    return [parse_profile(text) for text in texts]


def test_a_batch_holds_for_every_input():
    two = {**BATCH, "mask": (None, 7)}
    assert resolve(spans("1,4,8"), two) == (
        {
            "input": ((1, 3, 32, 32), (4, 3, 32, 32), (8, 3, 32, 32)),
            "mask": ((1, 7), (4, 7), (8, 7)),
        },
    )


def test_a_whole_shape_is_of_the_input_that_has_more_open_than_the_batch():
    (found,) = resolve(spans(SHAPES), {**ALL, "mask": (None, 7)})
    assert found["input"][2] == (8, 3, 128, 160)
    assert found["mask"] == ((1, 7), (4, 7), (8, 7))
    with pytest.raises(UsageError, match='the input "ids"') as caught:
        resolve(spans(SHAPES), {**ALL, "ids": (None, None)})
    assert "in one input" in caught.value.hint


def test_height_and_width_may_be_open_too():
    (found,) = resolve(spans(SHAPES), ALL)
    assert found["input"] == ((1, 3, 64, 64), (4, 3, 96, 96), (8, 3, 128, 160))


def test_several_profiles_keep_their_order():
    found = resolve(spans("1,1,1", "2,16,64"), BATCH)
    assert [profile["input"][2][0] for profile in found] == [1, 64]


def test_an_open_batch_has_a_default_and_a_fixed_file_needs_none():
    (found,) = resolve([], BATCH)
    assert [sizes[:1] for sizes in found["input"]] == list(DEFAULT)
    assert resolve([], FIXED) == ()
    assert resolve(spans("4,4,4"), FIXED) == ()


@pytest.mark.parametrize(
    "text", ["", "1,8", "1,8,16,32", "0,1,2", "1,a,2", "1,-8,16", "1x3,2,4", "8,4,16"]
)
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(UsageError):
        parse_profile(text)


@pytest.mark.parametrize(
    ("text", "inputs", "says"),
    [
        ("1x1x32x32,1x1x32x32,1x1x32x32", BATCH, "does not fit"),
        (SHAPES, BATCH, "does not fit"),
        ("1x3x9,1x3x9,1x3x9", BATCH, "does not fit"),
        ("1,8,16", FIXED, "does not fit"),
        ("1,8,16", ALL, "a batch does not say"),
    ],
)
def test_a_profile_that_the_file_does_not_have_is_refused(text, inputs, says):
    with pytest.raises(UsageError, match=says):
        resolve(spans(text), inputs)


def test_open_sizes_have_to_be_said_and_the_hint_is_such_a_profile():
    with pytest.raises(UsageError, match="has to know") as error:
        resolve([], ALL)
    hinted = error.value.hint.removeprefix("as in the profile ")
    assert resolve(spans(hinted), ALL)
