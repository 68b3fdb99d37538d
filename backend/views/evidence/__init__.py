"""The conversations behind the points of a scatter."""
