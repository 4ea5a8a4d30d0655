"""Two networks measured against each other, and what makes the difference."""
