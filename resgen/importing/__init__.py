"""Networks that come from elsewhere: a file or a module read into a graph of ours.

A reader (:mod:`resgen.importing.onnx`, :mod:`resgen.importing.torch`) makes a
:class:`~resgen.importing.flat.Flat`, a graph in which nothing is folded;
:mod:`resgen.importing.rules` recognises in it what its source had to spell out.
"""
