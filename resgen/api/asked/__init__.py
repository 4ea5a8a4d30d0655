"""The options of each function and command."""
