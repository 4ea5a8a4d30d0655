"""The parts of the scripts, of which a kit carries one as a file.

They run where resgen is not installed and Python may be 3.8, so they import each
other, :mod:`resgen.proof.reach`, the standard library and numpy, and nothing else: see
:func:`resgen.kit.assemble.assemble`. Names at their top level are unlike one another.
"""
