"""The design of a network that came from elsewhere, recovered from its graph alone.

A :class:`~resgen.importing.flat.Flat` is given names where its source had none
(:mod:`~resgen.recovery.names`), and is written as a spec: plainly
(:mod:`~resgen.recovery.body`), or with its stages, its blocks once and what varies
between them as parameters (:mod:`~resgen.recovery.recover`). Every step is held against
the graph's :func:`~resgen.graph.identity.identity`, so that none can change what is
computed; where one would, less structure is taken.
"""
