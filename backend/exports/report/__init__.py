"""One self-contained HTML file of a view or of a whole study."""
