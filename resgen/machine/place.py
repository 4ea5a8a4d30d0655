"""Where something is asked or timed: this machine, or another (:mod:`resgen.leases`).

What is asked of a place is a function of resgen's, so that the same code answers here
and there. To be answered elsewhere it lies at the top of a module, its arguments can be
pickled (paths of files go along with the files), and its annotation says of which
type the answer is: a record, a plain value, or a Failure in their stead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Place:
    """This machine; ``name`` tells others from it."""

    name = ""

    def ask(
        self,
        function: Callable[Given, Answer],
        /,
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Answer:
        """What the function returns there; what it raises is raised."""
        return function(*args, **kwargs)

    def time(
        self,
        function: Callable[Given, Answer],
        /,
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Answer:
        """The same of a function that times: an answer that was had is kept."""
        return function(*args, **kwargs)


#: Where this process is.
HERE: Final = Place()
