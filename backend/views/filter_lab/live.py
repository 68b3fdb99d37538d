"""What the browser needs to follow the threshold while the slider moves: every step, computed."""

from __future__ import annotations

import dataclasses
import math

from backend.core.vectors.build import too_few
from backend.core.vectors.lab import Steps
from backend.core.vectors.pipeline import LEAST_PROMPTS, Pipeline
from backend.types import POLES
from backend.views.filter_lab.axis import KEEP_ALL, CosineRange, effective
from backend.views.filter_lab.compute import LabView, Worth, r_estimate
from backend.views.shared.numbers import r_text

# What the browser writes the threshold in place of; and one no user can set, to find its place.
PLACE, _UNSET = "{threshold}", 0.123457


def live_steps(view: LabView, steps: Steps, cosines: CosineRange) -> dict[str, object]:
    """The open cell at every threshold, as plain values for JSON.

    Args:
        view: the current setting.
        steps: the cell along the whole axis.
        cosines: where the axis begins.

    Returns:
        ``low``: start of the axis, where all prompts are kept; ``value``: the threshold that the
        rest of the page shows; ``thresholds``: end of each step, ascending; ``r``: of each, None
        where undefined; ``texts``: r of each as the page writes it; ``above``: the same beyond the
        last step; ``kept``: prompts of each pole; ``cosines``: of the prompts of each pole, None
        where there is no direction; ``label`` and ``unfiltered``: the pipeline in words with a
        filter and without; ``exact``: whether every step is there.
    """
    worth = Worth.of_estimate(view.before)
    return {
        "low": cosines.low,
        "value": max(view.pipeline.threshold, cosines.low),
        "thresholds": steps.thresholds.tolist(),
        "r": [None if math.isnan(r) else r for r in steps.r.tolist()],
        "texts": [_text(steps, i, worth) for i in range(len(steps.thresholds))],
        "above": f"refused: {too_few(PLACE, 0, 0)}",
        "kept": steps.kept.tolist(),
        "cosines": {
            pole: [prompt.cosine for prompt in view.prompts if prompt.pole == pole]
            for pole in POLES
        },
        "label": _label(view.pipeline),
        "unfiltered": effective(dataclasses.replace(view.pipeline, threshold=KEEP_ALL)).label,
        "exact": len(steps.thresholds) == steps.of,
    }


def _text(steps: Steps, i: int, worth: Worth) -> str:
    """r of one step, or why there is none."""
    high, low = steps.kept[i].tolist()
    refusal = steps.refusals[i]
    if refusal is not None:
        few = min(high, low) < LEAST_PROMPTS
        return f"refused: {too_few(PLACE, high, low) if few else refusal}"
    return r_text(r_estimate(steps.r[i], steps.low[i], steps.high[i], worth, None))


def _label(pipeline: Pipeline) -> str:
    known = dataclasses.replace(pipeline, threshold=_UNSET).label
    return known.replace(f"{_UNSET:g}", PLACE)
