"""Geometry of prompts and responses: pure functions of inner products, numpy only."""
