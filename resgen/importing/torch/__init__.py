"""From a live PyTorch module, or one that was exported, to a graph."""
