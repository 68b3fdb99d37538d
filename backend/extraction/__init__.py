"""Pooled activations of texts: spans by offsets, token-budget batches, pooling in the forward."""
