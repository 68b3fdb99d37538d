"""What is said beside the prompts of a cell, on their page and in their section."""

from __future__ import annotations

WHY = (
    "Vectors average the prompts of each pole: if those point in different directions, or one "
    "is far longer than the rest, the average stands for none of them."
)
COSINES = (
    "Bright blocks on the diagonal are poles that agree; a dark stripe is a prompt that points "
    "elsewhere."
)
LENGTHS = (
    "A prompt far to the right outweighs the others in the mean; one far below points another way."
)
VARIANCE = (
    "The raw variance grows with the square of the model's activation norm, so it cannot compare "
    "models; spread is the same quantity divided by the squared norm of the mean."
)
TOKENS = (
    "What the model reads of a prompt, token by token, and which tokens are pooled. It needs the "
    "model's tokenizer on this machine."
)
WITHOUT = (
    "This makes the study's next revision without these prompts and queues its extraction with the "
    "same model, layers and pooling. The study stays as it is. All activations are taken from this "
    "run, so the model is not loaded."
)
