"""What is asked of a command and of its Python twin, declared once."""
