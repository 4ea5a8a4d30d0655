"""A graph as a LiteRT file: the walk, what it writes of each operator, the file."""
