"""Statistics with their uncertainty: pure functions, numpy and scipy only."""
