"""Amplitudes of behaviour and harm at which a projection drift has the wanted r with the scores:
the planted cause grows until r has fallen to the target."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.core.arrays import Floats

# r of a failing cell's behaviour without the planted cause. A template unlike the behaviour can
# only be told by a probe, which needs more signal than a vector from prompts.
CLEAN_R = 0.42
CLEAN_R_OF = {"unlike_concept": 0.65}
# Largest amplitudes that are tried, in standard deviations of a latent value.
MOST_HARM, MOST_SIGNAL = 20.0, 40.0


@dataclass(frozen=True)
class Drifts:
    """Drifts over scenarios along one cell's vector, [S] each; not centred.

    Attributes:
        signal: of the cell's behaviour as its responses carry it, for amplitude 1.
        harm: of what the planted cause confuses with it, for amplitude 1.
        rest: of everything else.
        scores: of the judged scores.
    """

    signal: Floats
    harm: Floats
    rest: Floats
    scores: Floats


def solve_harm(drifts: Drifts, signal: float, wanted: float) -> float:
    """Amplitude of the harm at which r falls to ``wanted``.

    Args:
        drifts: of the cell.
        signal: amplitude of the behaviour.
        wanted: r to be reached; r at harm 0 must be above it.
    """
    from scipy.optimize import brentq  # here, as a worker that simulates nothing starts without

    base = signal * drifts.signal + drifts.rest

    def gap(harm: float) -> float:
        return correlation(base + harm * drifts.harm, drifts.scores) - wanted

    if gap(0.0) <= 0:
        return 0.0
    # Where a weak layer must fall below what any harm leaves, the signal does the rest.
    return MOST_HARM if gap(MOST_HARM) > 0 else float(brentq(gap, 0.0, MOST_HARM))


def solve_signal(drifts: Drifts, harm: float, wanted: float) -> float:
    """Amplitude of the behaviour at which r is exactly ``wanted``; r grows with it."""

    from scipy.optimize import brentq  # here, as above

    def gap(signal: float) -> float:
        drift = signal * drifts.signal + harm * drifts.harm + drifts.rest
        return correlation(drift, drifts.scores) - wanted

    return float(brentq(gap, -MOST_SIGNAL, MOST_SIGNAL, xtol=1e-12))


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's r of two columns that vary."""
    dx, dy = x - x.mean(), y - y.mean()
    return float(dx @ dy / math.sqrt(float(dx @ dx) * float(dy @ dy)))
