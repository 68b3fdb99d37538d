"""Sentences on activations that are not kept yet."""

from __future__ import annotations

from backend.extraction.precomputed import NO_TOKENS
from backend.poolings import pooling_title
from backend.runs.imported_activations import UnderstoodActivations
from backend.views.shared.numbers import ranges

BEFORE = (
    "Activations of every prompt and response of a study, taken elsewhere: tensors prompts and "
    "responses in the study's order, or one tensor and a table that names its rows. No model is "
    "loaded."
)


def understood_activations(understood: UnderstoodActivations) -> str:
    """What was understood of a file of activations.

    Args:
        understood: before anything is kept.
    """
    found = understood.found
    layers, texts, width = found.activations.shape
    which = "layer" if layers == 1 else "layers"
    tokens = NO_TOKENS if found.tokens is None else "Over how many tokens each is: known."
    return (
        f"{found.file}: all {texts} texts of {understood.study}, {which} "
        f"{ranges(found.layers)} as numbered here, of {found.depth} blocks, d = {width}. "
        f"Model: {found.model}. Pooling: {pooling_title(found.pooling)}. {tokens}"
        + (f" {found.left_out}" if found.left_out else "")
    )
