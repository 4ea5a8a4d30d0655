"""What samples say: figures with intervals, and which of two is faster."""
