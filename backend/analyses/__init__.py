"""Analyses of a whole study: pure functions that return number, interval, verdict and caveat."""
