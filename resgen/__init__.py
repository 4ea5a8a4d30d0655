"""Neural architectures from a few lines of JSON, proven equal wherever they run."""
