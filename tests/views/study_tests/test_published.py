"""The published tables recomputed, against scipy and the study's printed figures."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from scipy import stats

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, with_published
from backend.core.study_cell import StudyCell
from backend.settings import StatusThresholds
from backend.studies.published import FOLDER
from backend.views.study_tests.published import published_findings
from backend.views.study_tests.units import implied_scale


@pytest.fixture(scope="module")
def found():
    return {f.name: f for f in published_findings(StatusThresholds())}


@pytest.fixture(scope="module")
def table():
    """The 24 rows, read without the project's loader."""
    with (FOLDER / "vector_diagnostics.csv").open() as file:
        return list(csv.DictReader(file))


def rows(finding: Finding):
    return {row.name: row.estimate for row in finding.rows}


def test_all_ten_tests_are_there_and_the_snr_check(found):
    assert list(found) == [
        "scorecard",
        "layers",
        "compression",
        "ranks",
        "prompt_sets",
        "transfer",
        "prompt_cosine",
        "units",
        "feasibility",
        "agreement",
        "snr",
    ]
    assert all(f.question.endswith("?") and f.answer and f.caveat for f in found.values())


def test_every_printed_count_is_the_recomputed_one(found):
    counts = [row for row in found["scorecard"].rows if row.published is not None]
    assert len(counts) == 9
    for row in counts:
        assert row.estimate.value == int(row.published), row.name


def test_cosine_of_working_and_failing_cells_is_scipys(found, table):
    r = np.array([float(row["r"]) for row in table])
    published = {"high": (0.018, 0.028, 0.008), "low": (0.004, 0.008, 0.001)}
    for pole, (welch, rank, student) in published.items():
        values = np.array([float(row[f"{pole}_cosine"]) for row in table])
        own = rows(found["prompt_cosine"])
        a, b = values[r > 0.3], values[r <= 0.3]
        assert (len(a), len(b)) == (13, 11)
        name = f"{pole} cosine, working - failing, "
        for title, expected, printed in (
            ("Student", stats.ttest_ind(a, b).pvalue, student),
            ("Welch", stats.ttest_ind(a, b, equal_var=False).pvalue, welch),
            ("Mann-Whitney", stats.mannwhitneyu(a, b).pvalue, rank),
        ):
            assert own[name + title].p == pytest.approx(expected, rel=1e-12)
            assert abs(own[name + title].p - printed) < 0.00055, (pole, title)
        overall = stats.pearsonr(values, r)
        assert own[f"{pole} cosine v r, all cells"].value == pytest.approx(overall.statistic)
        residuals = []
        for model in ("llama3", "qwen2", "mistral"):
            mine = np.array([row["model"] == model for row in table])
            within = stats.pearsonr(values[mine], r[mine])
            shown = own[f"{pole} cosine v r, within {model}"]
            assert (shown.value, shown.p) == pytest.approx((within.statistic, within.pvalue))
            residuals.append((values[mine] - values[mine].mean(), r[mine] - r[mine].mean()))
        # Simpson: with every model's own mean taken away nothing significant is left.
        x, y = (np.concatenate(part) for part in zip(*residuals, strict=True))
        expected = x @ y / math.sqrt((x @ x) * (y @ y))
        adjusted = own[f"{pole} cosine v r, model held fixed"]
        assert adjusted.value == pytest.approx(expected, abs=1e-12)
        t = expected * math.sqrt(20 / (1 - expected**2))
        assert adjusted.p == pytest.approx(2 * stats.t.sf(abs(t), 20))
        assert adjusted.p > 0.3
    assert found["prompt_cosine"].verdict == "undetermined"


def test_printed_means_are_within_rounding(found):
    own = rows(found["prompt_cosine"])
    printed = {"high": (0.888, 0.835), "low": (0.868, 0.810)}
    for pole, means in printed.items():
        for kind, mean in zip(("working", "failing"), means, strict=True):
            # Inputs and means are both printed to 0.001.
            assert abs(own[f"{pole} cosine, mean of {kind}"].value - mean) < 0.001
    assert rows(found["ranks"])["mean Pearson r"].value == pytest.approx(0.296, abs=0.0005)
    assert rows(found["ranks"])["mean Spearman rho"].value is None


def test_partial_correlations_have_both_degrees_of_freedom(found):
    own = rows(found["compression"])
    for name, r, studied in (
        ("r v being llama3, given behaviour sd", 0.538, 0.007),
        ("r v behaviour sd, given being llama3", 0.237, 0.265),
    ):
        for key, degrees in ((name, 21), (f"{name}, with n - 2 degrees of freedom", 22)):
            t = r * math.sqrt(degrees / (1 - r * r))
            assert own[key].p == pytest.approx(2 * stats.t.sf(t, degrees))
        assert abs(own[f"{name}, with n - 2 degrees of freedom"].p - studied) < 0.0005
        assert abs(own[name].p - studied) > 0.0005


def test_implied_norms_and_spreads(found, table):
    own = rows(found["units"])
    for model, width, norm, spread in (
        ("llama3", 4096, 18, 0.11),
        ("qwen2", 3584, 109, 0.13),
        ("mistral", 4096, 11, 0.20),
    ):
        cells = [row for row in table if row["model"] == model]
        norms = []
        for row in cells:
            variance = (float(row["high_within_variance"]) + float(row["low_within_variance"])) / 2
            cosine = (float(row["high_cosine"]) + float(row["low_cosine"])) / 2
            norms.append(math.sqrt(variance * width / (1 - cosine)))
        assert own[f"{model}: norm"].value == pytest.approx(np.mean(norms))
        assert round(own[f"{model}: norm"].value) == norm
        assert round(own[f"{model}: spread"].value, 2) == spread
    assert 40 <= own["qwen2 / llama3: mean within-class variance"].value <= 60


def test_implied_norm_is_right_where_its_assumption_holds():
    """Many prompts of one norm: the implied norm is the norm."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2000, 64)) + 2.0
    x *= 18 / np.linalg.norm(x, axis=1, keepdims=True)
    unit = x / 18
    cosine = (np.linalg.norm(unit.sum(0)) ** 2 - len(x)) / (len(x) * (len(x) - 1))
    variance = x.var(axis=0).mean()
    row = StudyCell("m", "t", 1, 0.1, 1.0, variance, variance, cosine, cosine, 1.0)
    scale = implied_scale([row], 64)
    assert scale.norm == pytest.approx(18, rel=1e-3)
    assert scale.spreads[0] == pytest.approx(np.trace(np.cov(x.T)) / 18**2, rel=2e-3)


def test_what_runs_would_measure_is_told_beside_the_implied_spread():
    """Five prompts of one norm, by the definition that runs use."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(5, 64)) + 2.0
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = (np.linalg.norm(x.sum(0)) ** 2 - 5) / 20
    row = StudyCell("m", "t", 1, 0.1, 1.0, 0.1, 0.1, cosine, cosine, 1.0)
    spread = np.trace(np.cov(x.T)) / np.square(x.mean(axis=0)).sum()
    assert implied_scale([row], 64).spread_note.endswith(f" {spread:.3f}")


def test_all_24_snr_follow_from_their_columns_within_rounding(found, table):
    assert found["snr"].verdict == "supported"
    assert len(found["snr"].rows) == 24
    for row, shown in zip(table, found["snr"].rows, strict=True):
        total = float(row["high_within_variance"]) + float(row["low_within_variance"])
        assert shown.estimate.value == pytest.approx(2 * float(row["separation"]) / total)
        assert shown.published == f"{float(row['snr']):.1f}"
        assert "outside" not in shown.note


def test_transfers_say_what_would_have_to_be_known(found):
    notes = {row.name: row.note for row in found["transfer"].rows if row.name.endswith("- self")}
    assert len(notes) == 4
    assert "at least 0.90" in notes["empathetic_responsiveness: llama3 -> qwen2, cross - self"]
    assert found["transfer"].verdict == "undetermined"


def test_counts_that_cannot_be_are_named(found):
    shown = {row.name: row for row in found["feasibility"].rows}
    assert shown["qwen2, emotional_over_involvement: scores ≥ 6"].estimate.value == 0
    assert "1012 of 1000" in shown["qwen2, uncritical_validation: scores ≥ 5"].note
    assert found["feasibility"].verdict == "ruled out"


def test_a_printed_figure_must_belong_to_a_row():
    finding = Finding("a", "?", "undetermined", "", "", (Row("x", Estimate.exact(1.0, 1)),))
    assert with_published(finding, {"x": "1.0"}).rows[0].published == "1.0"
    with pytest.raises(KeyError, match="no rows"):
        with_published(finding, {"y": "1.0"})
