"""What the commands do, as functions: the same names, options and results."""
