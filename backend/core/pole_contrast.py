"""How many tokens tell the two poles of a trait apart, and whether a pooling sees them.

Prompts such as A/B items differ in one answer letter. Then a mean over n tokens holds the contrast
with weight 1/n, and the last token may be the same in both poles, a bracket after the letter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import median

from backend.poolings import pooling_title, takes_one
from backend.types import Pooling

# Above this share of differing tokens the prompts are texts of their own, not one with a change.
FEW = 0.25
# Prompts per pole that are compared; pairing all of them would take time with their square.
MOST = 40


@dataclass(frozen=True)
class PoleTokens:
    """A prompt of one pole.

    Attributes:
        ids: its own tokens, without special ones.
        pooled: those that are pooled.
    """

    ids: tuple[int, ...]
    pooled: tuple[int, ...]


@dataclass(frozen=True)
class PoleContrast:
    """What tells the nearest prompts of the two poles apart.

    Attributes:
        differing: tokens of a high prompt that its nearest low prompt has not at that place; the
            median over pairs.
        length: tokens of a high prompt; the median over pairs.
        last: the last pooled token of both poles, where one token is it in nearly all pairs; else
            None.
        last_same: share of pairs whose last pooled token is the same, [0, 1].
    """

    differing: float
    length: float
    last: int | None
    last_same: float

    def sentences(
        self, where: str, pooling: Pooling, decode: Callable[[int], str]
    ) -> tuple[str, ...]:
        """What a user should know; empty where the poles are different enough for the pooling.

        Args:
            where: trait and prompt set, for people.
            pooling: how prompts are pooled.
            decode: text of a token.
        """
        if self.differing > FEW * self.length:
            return ()
        if takes_one(pooling):
            if self.last_same < 1:
                return ()
            token = "" if self.last is None else f" {decode(self.last)!r}"
            return (
                f"{where}: the {pooling_title(pooling)}{token} is pooled, and it is the same in "
                f"both poles. What differs stands elsewhere ({_count(self.differing)} of "
                f"{_count(self.length)} tokens). If the model should be read at the answer, let "
                "the prompt end there.",
            )
        return (
            f"{where}: the poles differ in {_count(self.differing)} of {_count(self.length)} "
            "tokens, and the mean is over all of them. Pooling last may read the contrast better.",
        )


def pole_contrast(high: Sequence[PoleTokens], low: Sequence[PoleTokens]) -> PoleContrast | None:
    """Compare each high prompt with the low prompt that is nearest to it in tokens.

    Args:
        high: prompts of the high pole.
        low: of the low pole.

    Returns:
        None where a pole has no prompt.
    """
    if not high or not low:
        return None
    differing, lasts = [], []
    counts = [Counter(other.ids) for other in low[:MOST]]
    for one in high[:MOST]:
        place, common = _nearest(one, low[:MOST], counts)
        nearest = low[place]
        differing.append(max(len(one.ids), len(nearest.ids)) - common)
        lasts.append((one.pooled[-1], nearest.pooled[-1]))
    same = [a for a, b in lasts if a == b]
    return PoleContrast(
        differing=median(differing),
        length=median(len(one.ids) for one in high[:MOST]),
        last=same[0] if same and len(set(same)) == 1 else None,
        last_same=len(same) / len(lasts),
    )


def clearly_apart(high: Sequence[PoleTokens], low: Sequence[PoleTokens]) -> bool:
    """Whether the poles differ in more than few tokens by counting them alone, which is much faster
    than comparing their order: texts share no more in order than in any order.

    Args:
        high: prompts of the high pole, at least one.
        low: of the low pole, at least one.

    Returns:
        True only where :func:`pole_contrast` would find more than the share :data:`FEW`.
    """
    counts = [Counter(other.ids) for other in low[:MOST]]
    least = [
        min(
            max(len(one.ids), count.total()) - (own & count).total()
            for own in [Counter(one.ids)]
            for count in counts
        )
        for one in high[:MOST]
    ]
    return median(least) > FEW * median(len(one.ids) for one in high[:MOST])


def _nearest(
    one: PoleTokens, others: Sequence[PoleTokens], counts: Sequence[Counter[int]]
) -> tuple[int, int]:
    """The first of the prompts that share most tokens with one in order: its place, and how many.

    Two texts share no more in order than in any order, which is counted much faster: those that
    cannot be nearer than the nearest so far are not compared.

    Args:
        one: the prompt.
        others: those of the other pole, at least one.
        counts: tokens of each of them.
    """
    own = Counter(one.ids)
    bounds = [(own & count).total() for count in counts]
    best, place = -1, 0
    for other in sorted(range(len(others)), key=lambda number: (-bounds[number], number)):
        if bounds[other] < best:
            break
        common = _common(one.ids, others[other].ids)
        if common > best or (common == best and other < place):
            best, place = common, other
    return place, best


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Tokens that two texts share in the same order."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())


def _count(number: float) -> str:
    return f"{number:g}"
