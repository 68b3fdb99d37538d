"""Responses token by token along vectors of a run, and what a vector says."""
