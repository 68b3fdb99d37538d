"""Scores for the responses of a study, by a language model with a rubric."""
