"""What the browser writes while the slider moves is what the server writes for that threshold."""

from __future__ import annotations

import dataclasses
import html
import re

import numpy as np
import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.settings import StatusThresholds
from backend.views.filter_lab import tables
from backend.views.filter_lab.compute import lab_view
from backend.views.filter_lab.live import PLACE, live_steps
from backend.views.filter_lab.stack import lab_stack
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results

SET = "default"


def part(page, name):
    """What the server writes at a place that the browser rewrites."""
    return html.unescape(re.search(rf'data-live="{name}">(.*?)</', page)[1])


@pytest.mark.parametrize(
    "plain",
    [
        Pipeline(filter_reference="mean"),
        Pipeline("unit", "leave_one_out", denoise=1),
        Pipeline(filter_reference="median", centre="geometric_median"),
    ],
    ids=lambda pipeline: pipeline.label,
)
def test_every_position_of_the_slider_says_what_the_server_says(settings, plain):
    _, runs = publish_small_phantom(settings)
    stack = results(settings).of_runs(lab_stack, runs, SET, "identity")
    steps = stack.steps((runs[0], "trait_1", 2), plain)
    cosines = stack.cosine_range(plain)
    place = (runs[0], "trait_1", 2)
    seen = set()
    for threshold in np.round(np.arange(cosines.low, cosines.high + 0.005, 0.005), 6).tolist():
        all_kept = threshold <= cosines.low
        at = dataclasses.replace(plain, threshold=-1.0 if all_kept else threshold)
        view = lab_view(stack, stack, at, place, None, StatusThresholds())
        live = live_steps(view, steps, cosines)
        assert live["value"] == threshold and live["exact"]

        step = 0 if all_kept else int(np.searchsorted(steps.thresholds, threshold, side="left"))
        beyond = step == len(steps.thresholds)
        text = live["above"] if beyond else live["texts"][step]
        label = live["unfiltered"] if all_kept else live["label"]
        page = tables.headline(view, "")
        assert text.replace(PLACE, f"{threshold:g}") == part(page, "now")
        assert label.replace(PLACE, f"{threshold:g}") == part(page, "label")
        kept = [0, 0] if beyond else live["kept"][step]
        assert str(sum(kept)) == part(page, "kept")
        r = None if beyond else live["r"][step]
        assert r == (None if view.after.value is None else pytest.approx(view.after.value))

        rows = tables.prompts_table(view, {p.prompt_id: "" for p in view.prompts})
        assert [part(rows, pole) for pole in ("high", "low")] == [str(count) for count in kept]
        found = re.findall(r'<tr class="(\w+)" data-pole="(\w+)" data-cosine="([^"]+)"', rows)
        for state, _, cosine in found:
            assert (state == "kept") == (all_kept or float(cosine) >= threshold)
        seen.add("refused" if text.startswith("refused") else "r")
    assert seen == {"refused", "r"}
