"""What ``resgen profile`` measured, as a page, Markdown and tables."""
