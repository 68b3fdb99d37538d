"""Interventions on the residual stream of a model while it reads and writes."""
