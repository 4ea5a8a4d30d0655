"""What is wrong with a network before it is trained: rules, thresholds, words."""
