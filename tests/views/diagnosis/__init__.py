"""The diagnosis of a cell."""
