"""Makes runs: one session for any source of activations, and all that is derived from them."""
