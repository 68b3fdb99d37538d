"""Whether a model has the layers that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import LayerOutOfRange


def check_layers(depth: int, layers: Sequence[int]) -> None:
    """Refuse layers that a model does not have.

    Args:
        depth: number of its decoder blocks.
        layers: wanted layers; 0 is the embedding output, l the output of block l.

    Raises:
        LayerOutOfRange: a layer is not in 0..depth, repeated or out of order, or none is given.
    """
    bad = [layer for layer in layers if not 0 <= layer <= depth]
    if bad or not layers or list(layers) != sorted(set(layers)):
        named = f"layers {bad} do not exist" if bad else f"layers {list(layers)} are unusable"
        raise LayerOutOfRange(
            f"With {depth} decoder blocks, {named}.",
            expected=f"one or more different layers from 0 (embedding) to {depth}, ascending.",
            remedy="choose layers within that range.",
        )
