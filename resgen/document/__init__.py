"""Records as files: frozen types to JSON and back, nothing lost and nothing guessed."""
