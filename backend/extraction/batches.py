"""Batches of similar length under a budget of padded tokens."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import ExtractionError

# On two CPU cores larger batches only add padding; a GPU needs far more to be busy.
CPU_TOKENS = 1024
GPU_TOKENS = 16384


def default_budget(device: str) -> int:
    """Padded tokens per batch for a device such as ``cpu`` or ``cuda:0``."""
    return CPU_TOKENS if device.startswith("cpu") else GPU_TOKENS


def plan_batches(lengths: Sequence[int], budget: int) -> tuple[tuple[int, ...], ...]:
    """Group texts so that longest x count stays within ``budget``.

    Longest first, so that running out of memory shows at once and not at the end. A text longer
    than the budget is a batch of its own. The plan depends on the lengths and their order alone:
    a resumed run makes the same batches.

    Args:
        lengths: tokens per text.
        budget: padded tokens per batch, at least 1.

    Returns:
        Indices into ``lengths``, ascending within a batch; every index is in exactly one batch.

    Raises:
        ExtractionError: the budget is not positive.
    """
    if budget < 1:
        raise ExtractionError(
            f"A batch of {budget} tokens holds nothing.",
            expected="a positive number of padded tokens per batch.",
            remedy=f"leave --batch-tokens out, or give at least 1 (CPU default: {CPU_TOKENS}).",
        )
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[tuple[int, ...]] = []
    current: list[int] = []
    for index in order:
        longest = lengths[current[0]] if current else lengths[index]
        if current and longest * (len(current) + 1) > budget:
            batches.append(tuple(sorted(current)))
            current = []
        current.append(index)
    if current:
        batches.append(tuple(sorted(current)))
    return tuple(batches)
