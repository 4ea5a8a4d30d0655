"""Smaller networks from a network: which channels go together, and which can go.

:mod:`~resgen.shrinking.labels` runs a graph on labels of its channels, so that what has
one label lives or dies together; :mod:`~resgen.shrinking.groups` gathers them;
:mod:`~resgen.shrinking.cut` takes some away, of the graph and of its weights;
:mod:`~resgen.shrinking.choose` says which, :mod:`~resgen.shrinking.seen` by data.
:mod:`~resgen.shrinking.depth` takes whole residual branches away.
"""

#: What channels can be compared by.
IMPORTANCE = ("magnitude", "norm", "taylor", "random")
