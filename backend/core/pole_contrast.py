"""How many tokens tell the two poles of a trait apart, and whether a pooling sees them.

Prompts such as A/B items differ in one answer letter. Then a mean over n tokens holds the contrast
with weight 1/n, and the last token may be the same in both poles, a bracket after the letter. Of
tokens that stand before the letter, the activations are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import median

from backend.poolings import pooling_title, takes_first, takes_one
from backend.types import Pooling

# Above this share of differing tokens the prompts are texts of their own, not one with a change.
FEW = 0.25
# Prompts per pole that are compared; pairing all of them would take time with their square.
MOST = 40
# What a mean leaves out of a text's tokens.
_LEFT_OUT = {"mean_rest": " but the one at position 0"}


@dataclass(frozen=True)
class PoleTokens:
    """A prompt of one pole.

    Attributes:
        ids: its tokens that are compared, without special ones: its own, or those at its beginning
            where no others are pooled.
        pooled: those that are pooled.
        chat: what is before it; the same for prompts that are read in the same chat.
        read: all that the model has read at the last pooled token; the same for prompts of which
            that is the same, so that their activations are.
        whole: the prompt itself, with its chat.
    """

    ids: tuple[int, ...]
    pooled: tuple[int, ...]
    chat: Hashable = None
    read: Hashable = None
    whole: Hashable = None


@dataclass(frozen=True)
class PoleContrast:
    """What tells the nearest prompts of the two poles apart.

    Attributes:
        differing: compared tokens of a high prompt that its nearest low prompt has not at that
            place; the median over pairs.
        length: compared tokens of a high prompt; the median over pairs.
        alike: share of pairs without such a token, [0, 1].
        last: the last pooled token of both poles, where one token is it in nearly all pairs; else
            None.
        last_same: share of pairs whose last pooled token is the same, [0, 1].
        chats_apart: share of pairs that are read in different chats, [0, 1].
    """

    differing: float
    length: float
    alike: float
    last: int | None
    last_same: float
    chats_apart: float

    def sentences(
        self, where: str, pooling: Pooling, decode: Callable[[int], str]
    ) -> tuple[str, ...]:
        """What a user should know; empty where the poles are different enough for the pooling.

        Args:
            where: trait and prompt set, for people.
            pooling: how prompts are pooled.
            decode: text of a token.
        """
        if self.differing > FEW * self.length or (takes_one(pooling) and self.last_same < 1):
            return ()
        if takes_one(pooling) or not self.differing:
            token = None if self.last is None else decode(self.last)
            told = f"{where}: the {_pooled(pooling, token)} is pooled, and {self._same(pooling)}"
            return (f"{told} {self._elsewhere(pooling)}",)
        return (
            f"{where}: the poles differ in {_count(self.differing)} of {_count(self.length)} "
            f"{'pooled tokens' if takes_first(pooling) else 'tokens'}, and the mean is over all of "
            f"them{_LEFT_OUT.get(pooling, '')}. {self._better(pooling)}",
        )

    def _same(self, pooling: Pooling) -> str:
        subject = "it is" if _is_one(pooling) else "its tokens are"
        most = "" if self.alike == 1 or self.differing else ", in most prompts"
        return f"{subject} the same in both poles{most}."

    def _elsewhere(self, pooling: Pooling) -> str:
        """Where what differs stands, if the pooled tokens are the same."""
        if self.differing:
            chats = " and in the chats before the texts" if self.chats_apart == 1 else ""
            return (
                f"What differs stands elsewhere ({_count(self.differing)} of "
                f"{_count(self.length)} tokens){chats}. If the model should be read at the answer, "
                "let the prompt end there."
            )
        if self.chats_apart:
            return "What differs stands in the chats before the texts."
        if takes_first(pooling):
            after = "it" if _is_one(pooling) else "them"
            return f"What differs stands after {after}. Pooling mean or last may read it better."
        if self.alike < 1:
            return "Only the others differ."
        return (
            "What differs is lost in the tokenizer, or stands in special tokens, which are never "
            "pooled."
        )

    def _better(self, pooling: Pooling) -> str:
        """What may read a contrast of few tokens better than their mean."""
        if self.chats_apart == 1:
            return "The chats before the texts differ too."
        fewer = " fewer tokens, or" if takes_first(pooling) else ""
        return f"Pooling{fewer} last may read the contrast better."


def pole_contrast(high: Sequence[PoleTokens], low: Sequence[PoleTokens]) -> PoleContrast | None:
    """Compare each high prompt with the low prompt that is nearest to it in tokens, of those in the
    same chat where there are any.

    Args:
        high: prompts of the high pole.
        low: of the low pole.

    Returns:
        None where a pole has no prompt.
    """
    if not high or not low:
        return None
    differing, lasts, apart = [], [], []
    counts = [Counter(other.ids) for other in low[:MOST]]
    in_chat: dict[Hashable, list[int]] = {}
    for place, other in enumerate(low[:MOST]):
        in_chat.setdefault(other.chat, []).append(place)
    for one in high[:MOST]:
        near = in_chat.get(one.chat, range(len(counts)))
        place, common = _nearest(one, [low[n] for n in near], [counts[n] for n in near])
        nearest = low[near[place]]
        apart.append(one.chat != nearest.chat)
        differing.append(max(len(one.ids), len(nearest.ids)) - common)
        lasts.append((one.pooled[-1], nearest.pooled[-1]))
    same = [a for a, b in lasts if a == b]
    return PoleContrast(
        differing=median(differing),
        length=median(len(one.ids) for one in high[:MOST]),
        alike=differing.count(0) / len(differing),
        last=same[0] if same and len(set(same)) == 1 else None,
        last_same=len(same) / len(lasts),
        chats_apart=sum(apart) / len(apart),
    )


def unread_contrast(
    high: Sequence[PoleTokens],
    low: Sequence[PoleTokens],
    where: str,
    pooling: Pooling,
    decode: Callable[[int], str],
) -> str | None:
    """What a user should know where the poles' activations are the same, as nothing that differs
    has been read at the last pooled token.

    Args:
        high: prompts of the high pole.
        low: of the low pole.
        where: trait and prompt set, for people.
        pooling: how prompts are pooled.
        decode: text of a token.

    Returns:
        None where the activations are not the same, or a pole has no prompt.
    """
    if not high or {one.read for one in high} != {one.read for one in low}:
        return None
    if {one.whole for one in high} == {one.whole for one in low}:
        return (
            f"{where}: the prompts of both poles are the same, so their activations are too, and "
            "no vector tells the poles apart. Give the poles texts or chats that differ."
        )
    lasts = {one.pooled[-1] for one in high}
    token = decode(next(iter(lasts))) if len(lasts) == 1 else None
    return (
        f"{where}: the {_pooled(pooling, token)} is pooled, and up to there all that the model "
        "reads is the same in both poles, so their activations are too, and no vector tells the "
        "poles apart. What differs stands after it. Pool by mean or last, or let what differs "
        "stand before it."
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


def _pooled(pooling: Pooling, token: str | None) -> str:
    """A pooling with the text of the token that it takes, or of the last of a beginning.

    Args:
        pooling: its name.
        token: the text; None where prompts have different ones.
    """
    title = pooling_title(pooling)
    if token is None:
        return title
    if _is_one(pooling):
        return f"{title} {token!r}"
    return f"{title} (up to {token!r})" if takes_first(pooling) else title


def _is_one(pooling: Pooling) -> bool:
    """Whether a single token is pooled, of texts of any length."""
    return takes_one(pooling) or pooling == "first-1"


def _count(number: float) -> str:
    return f"{number:g}"
