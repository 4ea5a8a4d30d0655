"""What comes with resgen: networks, and what they are made of."""
