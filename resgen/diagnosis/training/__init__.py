"""Short training runs side by side, and what their curves say."""
