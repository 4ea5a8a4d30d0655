"""What is seen of a torch module while it runs forward and back once."""
