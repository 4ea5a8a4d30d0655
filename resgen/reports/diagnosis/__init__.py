"""What ``resgen diagnose`` saw, as a page, Markdown and tables."""
