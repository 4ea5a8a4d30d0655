"""The design of a network recovered: stages, blocks once, what varies as parameters."""
