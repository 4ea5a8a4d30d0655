"""The forms of a comparison."""
