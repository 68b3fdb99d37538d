"""The prompts of a cell."""
