"""The Filter lab's setting in one line."""

from __future__ import annotations

import html

from backend.views.filter_lab.axis import effective
from backend.views.filter_lab.compute import LabView
from backend.views.shared.numbers import r_text


def headline(view: LabView, note: str) -> str:
    """Which cell, which setting, and r before and after, as HTML of a steady height.

    Args:
        view: the setting.
        note: what the metric did at this cell.
    """
    _, trait, layer = view.place
    pipeline = effective(view.pipeline)
    kept = sum(prompt.kept for prompt in view.prompts)
    now = r_text(view.after) if view.refusal is None else f"refused: {view.refusal}"
    metric = f" ({note})" if note and pipeline.metric != "identity" else ""
    return (
        f'<div class="lab-head"><b>{html.escape(trait.replace("_", " "))}</b>, layer {layer}, '
        f"{html.escape(pipeline.label + metric)}: {kept} of {len(view.prompts)} prompts kept<br>"
        f"r published <b>{html.escape(r_text(view.before))}</b><br>"
        f"r now <b>{html.escape(now)}</b></div>"
    )
