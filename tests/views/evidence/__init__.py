"""The conversations behind r."""
