"""Which judged answers become prompts: thresholds of their trait's score and of coherence."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import SteerscopeError
from backend.studies.scores import read_number

# As persona_vectors keeps them.
LEAST_SCORE, LEAST_COHERENCE = 50.0, 50.0


@dataclass(frozen=True)
class PoleThreshold:
    """One threshold.

    Attributes:
        least_score: the high side of a pair has at least this score of the trait.
        most_score: the low side has at most this one; None for less than the reverse of the
            first, as persona_vectors has it: below 40 of 100 where that is 60.
        least_coherence: both are at least as coherent as this.
    """

    least_score: float = LEAST_SCORE
    most_score: float | None = None
    least_coherence: float = LEAST_COHERENCE

    def apart(
        self, high: float | None, low: float | None, score_range: tuple[float, float]
    ) -> bool:
        """Whether both sides of a pair have the score that they should have.

        Args:
            high: score of the high side; None where not judged.
            low: of the low side.
            score_range: lowest and highest score.
        """
        if high is None or low is None or high < self.least_score:
            return False
        if self.most_score is None:
            return low < self._reverse(score_range)
        return low <= self.most_score

    def coherent(self, *scores: float | None) -> bool:
        """Whether all these are coherent enough. Args: coherence; None where not judged."""
        return all(score is not None and score >= self.least_coherence for score in scores)

    def said(self, score_range: tuple[float, float]) -> str:
        """The thresholds in a few words. Args: lowest and highest score."""
        low = (
            f"less than {self._reverse(score_range):g}"
            if self.most_score is None
            else f"at most {self.most_score:g}"
        )
        return (
            f"trait score at least {self.least_score:g} (high) and {low} (low), coherence at "
            f"least {self.least_coherence:g}"
        )

    def set_name(self) -> str:
        """Name of the prompt set that it makes beside those of other thresholds."""
        low = "" if self.most_score is None else f"_{self.most_score:g}"
        return f"score_{self.least_score:g}{low}"

    def _reverse(self, score_range: tuple[float, float]) -> float:
        return sum(score_range) - self.least_score


@dataclass(frozen=True)
class PoleThresholds:
    """Thresholds, each of which makes a prompt set. Attributes: each, at least one."""

    each: tuple[PoleThreshold, ...] = (PoleThreshold(),)

    @property
    def several(self) -> bool:
        """Whether the prompt sets need names of their own."""
        return len(self.each) > 1


def pole_thresholds(least_score: str, most_score: str, least_coherence: str) -> PoleThresholds:
    """The thresholds that a user has typed.

    Args:
        least_score: numbers between commas, one for each prompt set; empty for 50.
        most_score: one for all, one for each, or empty for less than the reverse of the first.
        least_coherence: one number; empty for 50.

    Raises:
        SteerscopeError: they are no numbers, or do not fit together.
    """
    least = _numbers("the least score", least_score) or (LEAST_SCORE,)
    most: tuple[float | None, ...] = _numbers("the most score", most_score) or (None,)
    coherence = _numbers("the least coherence", least_coherence) or (LEAST_COHERENCE,)
    if len(coherence) > 1:
        raise _unfit(f"the least coherence has {len(coherence)} numbers", "one number for all sets")
    if len(most) not in (1, len(least)):
        raise _unfit(
            f"the most score has {len(most)} numbers and the least score {len(least)}",
            "as many of both, or one most score for all",
        )
    every = most * len(least) if len(most) == 1 else most
    for high, low in zip(least, every, strict=True):
        if low is not None and low >= high:
            raise _unfit(
                f"an answer scored {high:g} would be of both poles (high from {high:g}, low up to "
                f"{low:g})",
                "a most score (low side) below the least score (high side)",
            )
    found = tuple(
        PoleThreshold(high, low, coherence[0]) for high, low in zip(least, every, strict=True)
    )
    if len({one.set_name() for one in found}) < len(found):
        raise _unfit("the same thresholds stand twice", "each once")
    return PoleThresholds(found)


def _numbers(option: str, typed: str) -> tuple[float, ...]:
    parts = [part.strip() for part in typed.split(",")] if typed.strip() else []
    numbers = tuple(map(read_number, parts))
    found = tuple(number for number in numbers if number is not None)
    if len(found) < len(numbers):
        raise _unfit(f"{option} is {typed!r}", "numbers with commas between them, such as 50,60,70")
    return found


def _unfit(what: str, expected: str) -> SteerscopeError:
    return SteerscopeError(
        f"These thresholds choose no poles: {what}.",
        expected=f"{expected}.",
        remedy="correct the numbers, or leave them out for 50, the reverse of 50, and 50.",
    )
