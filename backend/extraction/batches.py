"""Batches of similar length under a budget of padded tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from backend.errors import ExtractionError
from backend.extraction.engine import Batch

# On two CPU cores larger batches only add padding; a GPU needs far more to be busy.
CPU_TOKENS = 1024
GPU_TOKENS = 16384
# Bounds what a batch gives: texts that begin one another take room in memory, and no tokens.
MOST_TOGETHER = 8

Piece = TypeVar("Piece", int, tuple[str, str])


def default_budget(device: str) -> int:
    """Padded tokens per batch for a device such as ``cpu`` or ``cuda:0``."""
    return CPU_TOKENS if device.startswith("cpu") else GPU_TOKENS


def read_together(
    texts: Sequence[Sequence[Piece]], switch: int | None = None
) -> dict[int, list[int]]:
    """Which texts are read in one forward pass: those that begin a text, with that.

    A model that reads from left to right gives the tokens of a first turn the same activations
    whether the rest of the conversation follows or not, so both turns need one pass.

    Args:
        texts: token ids of each, or messages, as role and content.
        switch: length at which the model changes its positions
            (:func:`backend.models.rope.rope_switch`); texts on its two sides are read apart.

    Returns:
        For each text that is read, which texts it gives, its own among them, ascending; at most
        ``MOST_TOGETHER``. Every index into ``texts`` is in exactly one.
    """
    order = sorted(range(len(texts)), key=lambda index: (tuple(texts[index]), index))
    found: dict[int, list[int]] = {}
    # Those that begin with a text follow it in this order at once, so from the end each is compared
    # with one other.
    read = -1
    for index in reversed(order):
        own = texts[index]
        if (
            read >= 0
            and len(found[read]) < MOST_TOGETHER
            and tuple(texts[read][: len(own)]) == tuple(own)
            and _beyond(own, switch) == _beyond(texts[read], switch)
        ):
            found[read].append(index)
        else:
            read = index
            found[read] = [index]
    return {index: sorted(given) for index, given in sorted(found.items())}


def plan_batches(
    texts: Sequence[Sequence[int]], budget: int, switch: int | None = None
) -> tuple[Batch, ...]:
    """Group texts so that longest x count stays within ``budget``.

    Longest first, so that running out of memory shows at once and not at the end. A text longer
    than the budget is a batch of its own. A text that begins another is in the batch of that one
    and costs nothing (:func:`read_together`). The plan depends on the texts and their order alone:
    a resumed run makes the same batches.

    Args:
        texts: token ids of each.
        budget: padded tokens per batch, at least 1.
        switch: as for :func:`read_together`; no batch holds texts of both sides.

    Returns:
        Batches of indices into ``texts``, ascending within a batch; every index is in exactly one.

    Raises:
        ExtractionError: the budget is not positive.
    """
    if budget < 1:
        raise ExtractionError(
            f"A batch of {budget} tokens holds nothing.",
            expected="a positive number of padded tokens per batch.",
            remedy=f"leave --batch-tokens out, or give at least 1 (CPU default: {CPU_TOKENS}).",
        )
    together = read_together(texts, switch)
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(together, key=lambda index: (-len(texts[index]), index)):
        longest = texts[current[0]] if current else texts[index]
        full = len(longest) * (len(current) + 1) > budget
        if current and (full or _beyond(longest, switch) != _beyond(texts[index], switch)):
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    return tuple(
        Batch(
            tuple(sorted(index for read in batch for index in together[read])),
            sum(len(texts[read]) for read in batch),
        )
        for batch in batches
    )


def _beyond(text: Sequence[object], switch: int | None) -> bool:
    return switch is not None and len(text) > switch
