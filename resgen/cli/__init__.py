"""The command line: a file here is a command.

A file whose name begins with an underscore is a part that commands share. Every other
one holds a click command called ``command``, found by the file's name. It imports what
it needs when it runs, so that help comes at once.
"""

from resgen.cli._group import main

__all__ = ["main"]
