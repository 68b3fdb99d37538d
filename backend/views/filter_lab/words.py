"""Sentences of the Filter lab."""

from __future__ import annotations

from collections.abc import Mapping

from backend.core.vectors.lab import Steps
from backend.core.vectors.pipeline import FilterReference
from backend.views.filter_lab.compute import LabView

# What a prompt's cosine is taken to.
REFERENCES: Mapping[FilterReference, str] = {
    "mean": "pole mean",
    "leave_one_out": "mean of the others",
    "median": "geometric median",
    "none": "no filter",
}
AXIS = (
    "r for every threshold. A single narrow peak is more likely to be chance than a long stretch "
    "above the r before."
)
LAYERS = (
    "r by layer, before and with these settings. Both use the same scores: to compare them, use "
    "the difference above, not the overlap of the bands."
)
SAVING = (
    "Its r is saved with it. If you chose the settings by looking at r, that r is inflated by "
    "selection. The held-out r above is free of the choice of the threshold alone, not of that of "
    "the layer or of other settings."
)


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
        f" The curve has {len(steps.thresholds)} of {steps.of:,} thresholds, because each is slow "
        "with this centre or with components removed; the marker is exact."
    )


def axis_title(reference: FilterReference) -> str:
    """What the axis of thresholds is. Args: reference: of the filter, which is on."""
    return f"threshold of a prompt's cosine to the {REFERENCES[reference]}"


def basket_label(count: int) -> str:
    """Of the button that puts what the filter drops into the basket. Args: how many prompts."""
    what = "the filtered prompt" if count == 1 else f"the {count} filtered prompts"
    return f"Put {what} in the basket"


def colours_text(view: LabView) -> str:
    """What the colours of the heatmap mean, in one sentence."""
    low, high = view.cosines.ends
    return (
        f"Dark is {low:.2f}, bright is {high:.2f}; dropped prompts are greyed out."
        f"{view.cosines.note}"
    )
