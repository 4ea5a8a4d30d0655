"""``python -m resgen``: the command line."""

from resgen.cli import main

main()
