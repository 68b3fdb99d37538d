"""The study's ten tests from what it printed, beside the figures it printed."""

from __future__ import annotations

import dataclasses

from backend.core.estimate import Estimate
from backend.core.finding import (
    Finding,
    Row,
    Verdict,
    not_computable,
    with_published,
)
from backend.core.statistics.correlation import correlation_p, fisher_interval
from backend.core.statistics.reliability import PoleCounts, agreement_ceiling
from backend.core.study_cell import CellRow, column
from backend.settings import StatusThresholds
from backend.studies.published_tables import PublishedTransfer, Reference
from backend.views.study_tests import compression, layers, prompt_sets, ranks
from backend.views.study_tests.cosine import cosine_finding
from backend.views.study_tests.feasibility import feasibility_finding
from backend.views.study_tests.scorecard import scorecard_finding
from backend.views.study_tests.units import snr_bounds, snr_of, units_finding
from backend.views.transfer import transfers as transfer
from backend.views.transfer.agreement import Agreement, agreement_finding

NOT_PRINTED = "the study printed no figures from which it could be recomputed"


def reference_findings(reference: Reference, thresholds: StatusThresholds) -> tuple[Finding, ...]:
    """Recompute what the printed tables allow and say what they do not.

    Args:
        reference: the printed tables.
        thresholds: where a status changes.

    Returns:
        The ten tests in the study's order, then a check that snr follows from its own columns.
    """
    cells = reference.cells
    found = (
        scorecard_finding(cells, thresholds),
        _layers(cells),
        _compression(reference),
        _ranks(cells),
        _prompt_sets(),
        _transfer(reference),
        cosine_finding(cells, thresholds),
        _units(reference),
        _feasibility(reference),
        _agreement(reference, thresholds),
        snr_check(cells),
    )
    return tuple(with_published(f, reference.figures.get(f.name, {})) for f in found)


def _layers(cells: tuple[CellRow, ...]) -> Finding:
    tried = sorted({row.layer for row in cells if row.layer is not None})
    rows = tuple(
        Row(
            f"cells whose best layer is {layer}",
            plain(sum(row.layer == layer for row in cells), len(cells)),
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
        "The best of 12 layers flatters r; without the others the bias cannot be known.",
        rows,
    )


def _compression(reference: Reference) -> Finding:
    n = len(reference.cells)
    rows = []
    printed = {
        "r v being llama3, given behaviour sd": 0.538,
        "r v behaviour sd, given being llama3": 0.237,
    }
    for name, r in printed.items():
        low, high = fisher_interval(r, n - 1)
        rows += [
            Row(
                name,
                Estimate(r, low, high, correlation_p(r, n, 1), n),
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
        "The model effect persists at equal behaviour sd. The effect of behaviour sd itself is "
        f"not seen, but its interval reaches {upper:+.2f}: 24 cells do not rule it out.",
        compression.CAVEAT
        + " The behaviour sds are not printed, so the two r cannot be recomputed.",
        tuple(rows),
    )


def _ranks(cells: tuple[CellRow, ...]) -> Finding:
    r = column(cells, "r")
    why = "no rank correlation of a cell is printed"
    return Finding(
        ranks.NAME,
        ranks.QUESTION,
        "undetermined",
        f"Mean r is recomputed ({r.mean():.3f}); the mean rho cannot be, so neither can an "
        "interval of their difference.",
        "The layer was chosen by Pearson's r, which favours Pearson.",
        (
            Row("mean Pearson r", plain(float(r.mean()), len(r))),
            Row("mean Spearman rho", Estimate.undefined(len(r), why)),
        ),
    )


def _prompt_sets() -> Finding:
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


def _transfer(reference: Reference) -> Finding:
    n = reference.scenarios
    rows: list[Row] = []
    for t in reference.transfers:
        name = f"{t.trait}: {t.activation_model} -> {t.behaviour_model}"
        rows += [
            Row(f"{name}, self", printed_r(t.self_r, n), note="r as printed"),
            Row(f"{name}, cross", printed_r(t.cross_r, n), note="r as printed"),
            Row(
                f"{name}, cross - self",
                Estimate(
                    t.cross_r - t.self_r,
                    None,
                    None,
                    None,
                    n,
                    "the correlation of the two projections is not printed",
                ),
                note=least_between_text(t, n),
            ),
        ]
    wins = sum(t.cross_r > t.self_r for t in reference.transfers)
    return Finding(
        transfer.NAME,
        transfer.QUESTION,
        "undetermined",
        f"The foreign r is the higher in {wins} of the {len(reference.transfers)} printed pairs; "
        "whether by more than chance depends on a correlation the study does not print.",
        "The study claims 4 of 5 failing traits and prints 4. Pairs in which the own vector won "
        "are not shown, so the printed ones are a selection.",
        tuple(rows),
    )


def least_between_text(t: PublishedTransfer, n: int) -> str:
    """How alike the two projections must be for a printed difference to be significant.

    Args:
        t: the printed pair of r.
        n: number of scenarios.
    """
    least = transfer.least_between(t.self_r, t.cross_r, n)
    if least is None:
        return "not significant at 5% whatever that correlation is"
    if least == 0:
        return "significant at 5% if that correlation is 0 or more"
    return f"significant at 5% only if that correlation is at least {least:.2f}"


def _units(reference: Reference) -> Finding:
    found = units_finding(reference.cells, reference.widths)
    value = {row.name: row.estimate.value for row in found.rows}
    qwen, llama = (value[f"{m}: mean within-class variance"] for m in ("qwen2", "llama3"))
    assert qwen is not None and llama is not None  # both models are in the table
    rows = (*found.rows, Row("qwen2 / llama3: mean within-class variance", plain(qwen / llama, 8)))
    return dataclasses.replace(found, rows=rows)


def _feasibility(reference: Reference) -> Finding:
    studied = [c for c in reference.counts if c.at_least == 6]
    counts = {
        (c.model, c.trait): PoleCounts(c.high, c.low, reference.responses - c.high - c.low)
        for c in studied
    }
    found = feasibility_finding(counts, 6, 2)
    rows = list(found.rows)
    for c in reference.counts:
        if c.at_least != 6:
            total = c.high + c.low
            wrong = f"; together {total} of {reference.responses} responses, which cannot be"
            note = "printed as approximate" + (wrong if total > reference.responses else "")
            rows += [
                Row(
                    f"{c.model}, {c.trait}: scores ≥ {c.at_least:g}",
                    plain(c.high, reference.responses),
                    note=note,
                ),
                Row(
                    f"{c.model}, {c.trait}: scores ≤ {c.at_most:g}",
                    plain(c.low, reference.responses),
                    note=note,
                ),
            ]
    caveat = "Counts are as printed; the scores are not published. " + found.caveat
    return dataclasses.replace(found, rows=tuple(rows), caveat=caveat)


def _agreement(reference: Reference, thresholds: StatusThresholds) -> Finding:
    n = reference.scenarios
    found = []
    for a in reference.agreements:
        e = printed_r(a.r, n)
        r = Correlation(n, e.value, e.low, e.high, e.p)
        found.append(Agreement(a.trait, a.first, a.second, r, agreement_ceiling(a.r)))
    finding = agreement_finding(found, thresholds.working)
    caveat = f"r as printed; intervals assume all {n} scenarios. " + finding.caveat
    return dataclasses.replace(finding, caveat=caveat)


def snr_check(cells: tuple[CellRow, ...]) -> Finding:
    """Whether each printed snr can follow from the printed separation and variances."""
    rows, fits = [], 0
    for cell in cells:
        value = snr_of(cell)
        assert value is not None and cell.snr is not None  # the table is complete
        assert cell.separation is not None
        assert cell.high_within_variance is not None and cell.low_within_variance is not None
        low, high = snr_bounds(cell.separation, cell.high_within_variance, cell.low_within_variance)
        inside = low <= cell.snr <= high
        fits += inside
        rows.append(
            Row(
                f"{cell.model}, {cell.trait}: snr",
                plain(value, 1),
                f"{cell.snr:.1f}",
                f"rounding allows {low:.1f} to {high:.1f}" + ("" if inside else ": outside"),
            )
        )
    verdict: Verdict = "supported" if fits == len(cells) else "ruled out"
    return Finding(
        "snr",
        "Does the printed snr follow from the printed separation and variances?",
        verdict,
        f"{fits} of {len(cells)} within rounding.",
        "snr has units of 1 / activation: it falls tenfold if activations grow tenfold.",
        tuple(rows),
    )


def printed_r(r: float, n: int) -> Estimate:
    """A printed r with the interval and p that n cases give it.

    Args:
        r: as printed.
        n: number of scenarios.
    """
    low, high = fisher_interval(r, n)
    return Estimate(r, low, high, correlation_p(r, n, 0), n)
