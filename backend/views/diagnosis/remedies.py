"""Remedies that change the vector alone, whose effect on r can be measured in the run."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.vectors.methods import MASSIVE_REMOVED, MEAN_DIFFERENCE, method_named
from backend.views.diagnosis.evidence import CellEvidence

UNIT_ROWS = "unit_rows"
# What helps against activations that are huge in a few places.
AGAINST_HUGE = (
    MASSIVE_REMOVED,
    "standardised",
    "response_pcs_removed_1",
    "response_pcs_removed_3",
    UNIT_ROWS,
)


def gain_of(evidence: CellEvidence, method: str) -> Estimate:
    """r of a method minus r of the mean difference."""
    return evidence.gain(evidence.drifts.get(method), evidence.drifts.get(MEAN_DIFFERENCE))


def gain_row(evidence: CellEvidence, method: str) -> Row:
    """The same as a row of a judgement."""
    return Row(f"change of r with: {method_named(method).title}", gain_of(evidence, method))
