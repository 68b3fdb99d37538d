"""Is there a better layer, and what is the best of several worth? (study, Part 1)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, not_computable
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import paired_difference
from backend.core.status import status_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import LayerSweep, StudyEvidence, StudyTest

NAME = "layers"
QUESTION = "Would another of the tested layers rescue a failing trait?"


def layer_finding(sweeps: Sequence[LayerSweep], thresholds: StatusThresholds) -> Finding:
    """Best layer of every cell, its p with the choice counted, and its held-out r.

    Args:
        sweeps: one per model and trait.
        thresholds: where a cell works.
    """
    defined = [s for s in sweeps if s.best is not None and len(s.rs) > 1]
    if not defined:
        return not_computable(NAME, QUESTION, "no cell has r at two layers")
    rows = []
    for sweep, adjusted in zip(defined, benjamini_hochberg([s.p for s in defined]), strict=True):
        assert sweep.best is not None  # selected above
        best = sweep.rs[sweep.best]
        note = "" if adjusted is None else f"; Benjamini-Hochberg p over all cells {adjusted:.2g}"
        rows.append(
            Row(
                f"{sweep.model}, {sweep.trait}: best of {len(sweep.rs)} layers",
                Estimate(best, None, None, sweep.p, sweep.held_out.n),
                note=f"layer {sweep.best}; p counts the choice of layer{note}",
            )
        )
        rows.append(Row(f"{sweep.model}, {sweep.trait}: held-out", sweep.held_out))
    both = [s for s in defined if s.held_out.value is not None and s.best is not None]
    if both:
        optimism = paired_difference(
            np.array([s.rs[s.best] for s in both if s.best is not None], np.float64),
            np.array([s.held_out.value for s in both], np.float64),
        )
        rows.insert(0, Row("mean of best r - held-out r", optimism, note="cells share responses"))
    failing = [
        s
        for s in defined
        if s.best is not None and status_of(s.rs[s.best], thresholds) != "working"
    ]
    # The best of the tested layers is below the threshold in these data; that it is so in others
    # too needs the interval of the held-out r.
    sure = failing and all(
        s.held_out.high is not None and s.held_out.high < thresholds.working for s in failing
    )
    return Finding(
        NAME,
        QUESTION,
        "ruled out" if sure else "undetermined",
        f"{'No' if sure else 'Not shown'}. {len(failing)} of {len(defined)} cells do not work even "
        "at their best tested layer. "
        + (
            "Their held-out intervals stay below the threshold."
            if sure
            else "Held-out intervals cross the threshold, so chance may hide a working layer."
        )
        if failing
        else "Nothing to rescue: every cell works at its best layer.",
        "Layers that were not extracted are not tested. The highest of several r is biased "
        "upwards: the held-out r is not.",
        tuple(rows),
    )


def _of_evidence(evidence: StudyEvidence, thresholds: StatusThresholds) -> Finding:
    return layer_finding(evidence.sweeps, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)
