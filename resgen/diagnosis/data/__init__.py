"""What networks learn from in a diagnosis: digits, folders of pictures, arrays."""
