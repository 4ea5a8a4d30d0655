"""Networks that come from elsewhere: a file or a module read back as a spec.

A reader (:mod:`resgen.importing.onnx`, :mod:`resgen.importing.torch`) makes a
:class:`~resgen.importing.flat.Flat`, a graph in which nothing is folded. The design is
recovered from that graph alone, and every step of it is held against the graph's
:func:`~resgen.graph.identity.identity`, so that it cannot change what is computed.
"""
