"""What was measured, as data: its types, its JSON and its schema."""
