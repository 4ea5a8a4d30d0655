"""A graph as a Keras model: the walk, what it makes of each operator, the weights."""
