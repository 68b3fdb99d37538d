"""What steering by some strengths does to what was measured of the answers.

Every measure is a number per item (a question that was answered) and strength. An item is compared
with itself unsteered, so that items need not be alike. What any push of this length does is seen
from random directions of the same length: their spread says what a further one would do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import Floats, Integers
from backend.core.estimate import Estimate
from backend.core.statistics.describe import mean, share

# With fewer random directions their spread is a guess.
LEAST_DIRECTIONS = 4
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Dose:
    """One measure of the answers of some items at some strengths.

    Attributes:
        strengths: ascending, with 0 among them, such as in distances between the poles, [s].
        values: [items, s]; NaN where an answer has no such measure, such as one without tokens.
        groups: 0..k-1, [items]: items of one group are dependent.
        controls: the same along random directions of the same length, [directions, items, s].
    """

    strengths: Floats
    values: Floats
    groups: Integers
    controls: Floats

    def __post_init__(self) -> None:
        """Shapes fit together.

        Raises:
            ValueError: they do not, or no strength is 0.
        """
        shape = (len(self.groups), len(self.strengths))
        if self.values.shape != shape or self.controls.shape[1:] != shape:
            raise ValueError(
                f"values {self.values.shape} and controls {self.controls.shape} do not fit to "
                f"{shape[0]} items and {shape[1]} strengths"
            )
        if not (np.diff(self.strengths) > 0).all() or not (self.strengths == 0).any():
            raise ValueError("strengths must ascend and hold 0")

    @property
    def zero(self) -> int:
        """Where the strength is 0."""
        return int(np.flatnonzero(self.strengths == 0)[0])


@dataclass(frozen=True)
class Band:
    """What one more random direction of this length would do, with 95% probability.

    Attributes:
        middle: mean over the random directions; None where there are none.
        low: lower end of the prediction interval; None where there are too few directions.
        high: upper end.
        directions: how many there are.
        reason: why something is missing; None if all is there.
    """

    middle: float | None
    low: float | None
    high: float | None
    directions: int
    reason: str | None = None


@dataclass(frozen=True)
class StrengthChange:
    """What a strength changes.

    Attributes:
        strength: in the unit of the dose.
        change: mean over items of the measure there less the measure unsteered.
        band: the same along random directions.
    """

    strength: float
    change: Estimate
    band: Band


@dataclass(frozen=True)
class Steerability:
    """How the measure follows the strength.

    Attributes:
        slopes: of each item, change of the measure per unit of strength; None where the
            item has fewer than two measured strengths, [items].
        slope: their mean.
        wrong_way: share of items whose slope is negative.
        band: mean slope along random directions.
    """

    slopes: tuple[float | None, ...]
    slope: Estimate
    wrong_way: Estimate
    band: Band

    @property
    def steers(self) -> bool | None:
        """Whether the measure follows the vector more than it would follow a random direction:
        True if the whole interval of the slope lies above what one more random direction would
        do, False if it lies within or below that; None where these data do not tell."""
        if self.slope.low is None or self.slope.high is None or self.band.high is None:
            return None
        # A random direction that happens to do harm makes nothing steer.
        bar = max(0.0, self.band.high)
        if self.slope.low > bar:
            return True
        return False if self.slope.high <= bar else None


@dataclass(frozen=True)
class SteeringResult:
    """Whether the vector of a cell steers.

    Attributes:
        trait: of the cell.
        prompt_set: of the cell.
        layer: of the cell.
        measure: what was looked at: score, propensity or reading.
        steerability: how it follows the strength.
        strongest: largest strength that was tried.
        unit: of the strengths: poles, norm or vector.
        name: of the dose-response.
    """

    trait: str
    prompt_set: str
    layer: int
    measure: str
    steerability: Steerability
    strongest: float
    unit: str
    name: str


def changes(dose: Dose) -> tuple[StrengthChange, ...]:
    """What each strength changes, with an interval over groups of items, and the band of random
    directions. Items without the measure at 0 or at the strength are left out of that strength.

    Args:
        dose: the measure.
    """
    found = []
    for place, strength in enumerate(dose.strengths):
        differences = dose.values[:, place] - dose.values[:, dose.zero]
        there = np.isfinite(differences)
        change = mean(differences[there], _renumbered(dose.groups[there]))
        band = band_of(
            [
                float(own[np.isfinite(own)].mean())
                for control in dose.controls
                if np.isfinite(own := control[:, place] - control[:, dose.zero]).any()
            ]
        )
        found.append(StrengthChange(float(strength), change, band))
    return tuple(found)


def steerability(dose: Dose) -> Steerability:
    """Slope of the measure over the strength by least squares, item by item (0 where only rounding
    moves it), as steerability of
    Tan et al. 2024 (arXiv 2407.12404), with the share of items that move the wrong way.

    Args:
        dose: the measure.
    """
    slopes = _slopes(dose.strengths, dose.values)
    there = np.isfinite(slopes)
    known = slopes[there]
    groups = _renumbered(dose.groups[there])
    backwards = (known < 0).astype(np.float64)
    independent = len(np.unique(groups)) == len(groups)
    wrong = share(int(backwards.sum()), len(known)) if independent else mean(backwards, groups)
    means = [
        float(own[np.isfinite(own)].mean())
        for control in dose.controls
        if np.isfinite(own := _slopes(dose.strengths, control)).any()
    ]
    return Steerability(
        slopes=tuple(float(slope) if math.isfinite(slope) else None for slope in slopes),
        slope=mean(known, groups),
        wrong_way=wrong,
        band=band_of(means),
    )


def band_of(means: Sequence[float]) -> Band:
    """The 95% prediction interval for one more random direction: mean +- t sd sqrt(1 + 1/k).

    Args:
        means: of each random direction, over items.
    """
    k = len(means)
    if not k:
        return Band(None, None, None, 0, "no random direction was tried")
    middle = float(np.mean(means))
    if k < LEAST_DIRECTIONS:
        why = f"a band needs at least {LEAST_DIRECTIONS} random directions, not {k}"
        return Band(middle, None, None, k, why)
    spread = float(np.std(means, ddof=1)) * math.sqrt(1 + 1 / k)
    half = float(special.stdtrit(k - 1, 0.975)) * spread
    return Band(middle, middle - half, middle + half, k)


def lost_from(dose: Dose, limit: float, sign: int) -> float | None:
    """The strength nearest to 0 at which a measure has changed by more than a limit for sure, i.e.
    by its whole 95% interval, and does so at every larger strength that was tried; None where it
    never does.

    Args:
        dose: a measure of how coherent answers are.
        limit: positive where growing is bad, as of perplexity; negative where falling is.
        sign: 1 for positive strengths, -1 for negative ones.
    """
    outward = sorted(
        (change for change in changes(dose) if change.strength * sign > 0),
        key=lambda change: -abs(change.strength),
    )
    found = None
    for change in outward:
        end = change.change.low if limit > 0 else change.change.high
        if end is None or (end <= limit if limit > 0 else end >= limit):
            break
        found = change.strength
    return found


def _slopes(strengths: Floats, values: Floats) -> Floats:
    """Least squares slope of each row over the strengths that are measured; NaN below two."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    enough = np.maximum(count, 1)
    x = np.where(there, strengths, 0.0)
    y = np.where(there, values, 0.0)
    dx = np.where(there, strengths - (x.sum(axis=1) / enough)[:, None], 0.0)
    dy = np.where(there, y - (y.sum(axis=1) / enough)[:, None], 0.0)
    square = np.square(dx).sum(axis=1)
    slopes = (dx * dy).sum(axis=1) / np.where(square > 0, square, 1.0)
    # What a model's float32 numbers differ by from rounding alone is no movement.
    noise = _ROUNDING * np.abs(y).max(axis=1, initial=0.0) / np.abs(strengths).max()
    found: Floats = np.where(count >= 2, np.where(np.abs(slopes) > noise, slopes, 0.0), np.nan)
    return found


def _renumbered(groups: Integers) -> Integers:
    """Groups of some items as 0..k-1."""
    found: Integers = np.unique(groups, return_inverse=True)[1]
    return found
