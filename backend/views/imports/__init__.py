"""What is understood of a study before it is kept."""
