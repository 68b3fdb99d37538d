"""A chat with a steered model, side by side in several variants."""
