"""From a graph to one readable PyTorch file: classes, numbers and steps as text."""
