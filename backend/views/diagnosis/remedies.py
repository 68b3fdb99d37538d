"""Remedies that change the vector alone, whose effect on r can be measured in the run."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.finding import Row
from backend.core.vectors.methods import MASSIVE_REMOVED, MEAN_DIFFERENCE, method_named
from backend.views.diagnosis.cause import Fix
from backend.views.diagnosis.evidence import CellEvidence, Trial

UNIT_ROWS = "unit_rows"
# What helps against activations that are huge in a few places.
AGAINST_HUGE = (
    MASSIVE_REMOVED,
    "standardised",
    "response_pcs_removed_1",
    "response_pcs_removed_3",
    UNIT_ROWS,
)


def best_fix(evidence: CellEvidence, methods: Sequence[str], base: str = MEAN_DIFFERENCE) -> Fix:
    """The best of a cause's remedies, with the gain that choosing it brings on other cases.

    Args:
        evidence: one cell.
        methods: the remedies.
        base: method that they should improve on.
    """
    trial = evidence.trial(methods, base)
    title = method_named(trial.method).title
    moved = trial.layer != evidence.layer
    if moved:
        title += f", layer {trial.layer}"
    return Fix(
        title,
        trial.method,
        trial.layer if moved else None,
        trial.gain,
        best_of=len(methods),
    )


def gain_row(evidence: CellEvidence, method: str) -> Row:
    """r of a method minus r of the mean difference, as a row of a judgement."""
    gain = evidence.trial((method,)).gain
    return Row(f"change of r with: {method_named(method).title}", gain)


def choice_note(evidence: CellEvidence, methods: Sequence[str]) -> str:
    """Among how many remedies the best was chosen, and how often it was."""
    trial = evidence.trial(methods)
    often = in_halves(method_named(trial.method).title, trial)
    return f"the best of {len(methods)} remedies; {often}"


def in_halves(name: str, trial: Trial) -> str:
    """How often a trial's choice was made.

    Args:
        name: of what was chosen.
        trial: in which.
    """
    if trial.agreement is None:
        return "no choice was made on halves"
    return f"{name} in {trial.agreement:.0%} of the halves"
