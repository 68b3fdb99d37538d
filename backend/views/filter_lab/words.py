"""Sentences of the Filter lab."""

from __future__ import annotations

from backend.core.vectors.lab import Steps
from backend.views.filter_lab.compute import LabView


def moves_text(view: LabView) -> str:
    """How many cells change status: "2 cells gained, 1 lost"."""
    gained, lost = view.count("gained"), view.count("lost")
    if not gained and not lost:
        return "No cell changes its status."
    return f"{gained} {'cell' if gained == 1 else 'cells'} gained, {lost} lost."


def steps_text(steps: Steps) -> str:
    """At which thresholds r was computed, where not at all; empty where it was."""
    if len(steps.thresholds) == steps.of:
        return ""
    return (
        f" r is computed at {len(steps.thresholds)} of {steps.of:,} thresholds, as each takes long "
        "with this centre or with components removed; the point shows the threshold itself."
    )


def colours_text(view: LabView) -> str:
    """What the colours of the heatmap mean, in one sentence."""
    low, high = view.cosines.ends
    return (
        f"Dark is {low:.2f}, bright is {high:.2f}; dropped prompts lie under a grey veil."
        f"{view.cosines.note}"
    )
