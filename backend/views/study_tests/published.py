"""The study's ten tests from what it printed, beside the figures it printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import lru_cache

from backend.core.estimate import FISHER_Z, Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable, with_published
from backend.core.statistics.correlation import correlation_p, fisher_interval
from backend.core.statistics.reliability import PoleCounts
from backend.core.study_cell import column
from backend.settings import StatusThresholds
from backend.studies.published import PublishedStudy, published_study
from backend.views.study_tests import (
    agreement,
    compression,
    feasibility,
    layers,
    prompt_cosine,
    prompt_sets,
    ranks,
    scorecard,
    transfer,
    units,
)
from backend.views.study_tests.compute import TESTS
from backend.views.transfer.published import published_agreements, published_transfers

NOT_PRINTED = "the study printed no figures from which it could be recomputed"
# How llama3 and the behaviour's spread go with r, as printed.
PARTIAL_R = {
    "r v being llama3, given behaviour sd": 0.538,
    "r v behaviour sd, given being llama3": 0.237,
}


@lru_cache(maxsize=8)
def published_findings(thresholds: StatusThresholds) -> tuple[Finding, ...]:
    """Recompute what the printed tables allow and say what they do not.

    Args:
        thresholds: where a status changes.

    Returns:
        Every registered test in order, then a check that snr follows from its own columns.
    """
    study = published_study()
    found = [
        _RECOMPUTED[test.name](study, thresholds)
        if test.name in _RECOMPUTED
        else not_computable(test.name, test.question, NOT_PRINTED)
        for test in TESTS
    ]
    return tuple(
        with_published(f, study.figures.get(f.name, {})) for f in (*found, _snr_check(study))
    )


def _scorecard(study: PublishedStudy, thresholds: StatusThresholds) -> Finding:
    return scorecard.scorecard_finding(study.cells, thresholds)


def _layers(study: PublishedStudy, _: StatusThresholds) -> Finding:
    cells = study.cells
    tried = sorted({row.layer for row in cells if row.layer is not None})
    rows = tuple(
        Row(
            f"cells whose best layer is {layer}",
            Estimate.exact(sum(row.layer == layer for row in cells), len(cells)),
            note="the last of the layers 8 to 19 that were tried" if layer == 19 else "",
        )
        for layer in tried
    )
    last = sum(row.layer == tried[-1] for row in cells)
    return Finding(
        layers.NAME,
        layers.QUESTION,
        "undetermined",
        "Cannot be recomputed: only the best layer's r is printed. It is the last layer tried in "
        f"{last} of {len(cells)} cells, so the optimum may lie beyond the range.",
        "The best of 12 layers inflates r; without the others the bias cannot be known.",
        rows,
        decidable=False,
    )


def _compression(study: PublishedStudy, _: StatusThresholds) -> Finding:
    n = len(study.cells)
    rows = []
    for name, r in PARTIAL_R.items():
        low, high = fisher_interval(r, n - 1)
        rows += [
            Row(
                name,
                Estimate(r, low, high, correlation_p(r, n, 1), n, None, FISHER_Z),
                note="r as printed; p with n - 3 = 21 degrees of freedom, which is right",
            ),
            Row(
                f"{name}, with n - 2 degrees of freedom",
                Estimate(r, None, None, correlation_p(r, n, 0), n),
                note="what the study used; one too many, as one variable is held fixed",
            ),
        ]
    upper = rows[2].estimate.high
    return Finding(
        compression.NAME,
        compression.QUESTION,
        "undetermined",
        "Not shown. Llama3 still differs at equal score spread. Spread itself does not visibly "
        f"predict r, but its interval reaches {upper:+.2f}: 24 cells do not rule it out.",
        compression.CAVEAT
        + " The behaviour sds are not printed, so the two r cannot be recomputed.",
        tuple(rows),
    )


def _ranks(study: PublishedStudy, _: StatusThresholds) -> Finding:
    r = column(study.cells, "r")
    why = "no rank correlation of a cell is printed"
    return Finding(
        ranks.NAME,
        ranks.QUESTION,
        "undetermined",
        f"Cannot be recomputed: the cells' rho are not printed. Their mean r is {r.mean():.3f}.",
        "The layer was chosen by Pearson's r, which favours Pearson.",
        (
            Row("mean Pearson r", Estimate.exact(float(r.mean()), len(r))),
            Row("mean Spearman rho", Estimate.undefined(len(r), why)),
        ),
        decidable=False,
    )


def _prompt_sets(_study: PublishedStudy, _: StatusThresholds) -> Finding:
    rows = tuple(
        Row(f"{model}: working with model-specific prompts", Estimate.undefined(8, NOT_PRINTED))
        for model in ("qwen2", "mistral")
    )
    return dataclasses.replace(
        not_computable(
            prompt_sets.NAME,
            prompt_sets.QUESTION,
            NOT_PRINTED,
            "An unchanged count above a threshold can hide any change of r.",
        ),
        rows=rows,
    )


def _transfer(_study: PublishedStudy, _: StatusThresholds) -> Finding:
    rows: list[Row] = []
    pairs = published_transfers()
    for pair in pairs:
        name = f"{pair.trait}: {pair.activation_model} -> {pair.behaviour_model}"
        rows += [
            Row(f"{name}, self", pair.self_r, note="r as printed"),
            Row(f"{name}, cross", pair.cross_r, note="r as printed"),
            Row(f"{name}, cross - self", pair.difference, note=pair.needed),
        ]
    wins = sum((pair.difference.value or 0) > 0 for pair in pairs)
    return Finding(
        transfer.NAME,
        transfer.QUESTION,
        "undetermined",
        f"The foreign r is the higher in {wins} of the {len(pairs)} printed pairs; "
        "whether by more than chance depends on a correlation the study does not print.",
        "The study claims 4 of 5 failing traits and prints 4. Pairs in which the own vector won "
        "are not shown, so the printed ones are a selection.",
        tuple(rows),
    )


def _prompt_cosine(study: PublishedStudy, thresholds: StatusThresholds) -> Finding:
    return prompt_cosine.cosine_finding(study.cells, thresholds)


def _units(study: PublishedStudy, _: StatusThresholds) -> Finding:
    found = units.units_finding(study.cells, study.widths)
    value = {row.name: row.estimate.value for row in found.rows}
    qwen, llama = (value[f"{m}: mean within-class variance"] for m in ("qwen2", "llama3"))
    assert qwen is not None and llama is not None  # both models are in the table
    rows = (
        *found.rows,
        Row("qwen2 / llama3: mean within-class variance", Estimate.exact(qwen / llama, 8)),
    )
    return dataclasses.replace(found, rows=rows)


def _feasibility(study: PublishedStudy, _: StatusThresholds) -> Finding:
    studied = [c for c in study.counts if c.at_least == 6]
    counts = {
        (c.model, c.trait): PoleCounts(c.high, c.low, study.responses - c.high - c.low)
        for c in studied
    }
    found = feasibility.feasibility_finding(counts, 6, 2)
    rows = list(found.rows)
    for c in study.counts:
        if c.at_least != 6:
            total = c.high + c.low
            wrong = f"; together {total} of {study.responses} responses, which cannot be"
            note = "printed as approximate" + (wrong if total > study.responses else "")
            rows += [
                Row(
                    f"{c.model}, {c.trait}: scores ≥ {c.at_least:g}",
                    Estimate.exact(c.high, study.responses),
                    note=note,
                ),
                Row(
                    f"{c.model}, {c.trait}: scores ≤ {c.at_most:g}",
                    Estimate.exact(c.low, study.responses),
                    note=note,
                ),
            ]
    caveat = "Counts are as printed; the scores are not published. " + found.caveat
    return dataclasses.replace(found, rows=tuple(rows), caveat=caveat)


def _agreement(study: PublishedStudy, thresholds: StatusThresholds) -> Finding:
    finding = agreement.agreement_finding(published_agreements(), thresholds.working)
    caveat = f"r as printed; intervals assume all {study.scenarios} scenarios. " + finding.caveat
    return dataclasses.replace(finding, caveat=caveat)


def _snr_check(study: PublishedStudy) -> Finding:
    """Whether each printed snr can follow from the printed separation and variances."""
    rows, fits = [], 0
    for cell in study.cells:
        value = units.snr_of(cell)
        assert value is not None and cell.snr is not None  # the table is complete
        assert cell.separation is not None
        assert cell.high_within_variance is not None and cell.low_within_variance is not None
        low, high = units.snr_bounds(
            cell.separation, cell.high_within_variance, cell.low_within_variance
        )
        inside = low <= cell.snr <= high
        fits += inside
        rows.append(
            Row(
                f"{cell.model}, {cell.trait}: snr",
                Estimate.exact(value, 1),
                f"{cell.snr:.1f}",
                f"rounding allows {low:.1f} to {high:.1f}" + ("" if inside else ": outside"),
            )
        )
    verdict: Verdict = "supported" if fits == len(study.cells) else "ruled out"
    return Finding(
        "snr",
        "Does the printed snr follow from the printed separation and variances?",
        verdict,
        f"{fits} of {len(study.cells)} within rounding.",
        "snr has units of 1 / activation: it falls tenfold if activations grow tenfold.",
        tuple(rows),
    )


_RECOMPUTED: Mapping[str, Callable[[PublishedStudy, StatusThresholds], Finding]] = {
    scorecard.NAME: _scorecard,
    layers.NAME: _layers,
    compression.NAME: _compression,
    ranks.NAME: _ranks,
    prompt_sets.NAME: _prompt_sets,
    transfer.NAME: _transfer,
    prompt_cosine.NAME: _prompt_cosine,
    units.NAME: _units,
    feasibility.NAME: _feasibility,
    agreement.NAME: _agreement,
}
