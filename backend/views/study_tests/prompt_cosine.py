"""Does the prompts' cosine predict r: overall, within each model, and with the model held fixed?"""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable, supports
from backend.core.statistics.correlation import pearson
from backend.core.statistics.groups import GroupComparison, compare_groups
from backend.core.statistics.partial import partial_correlation
from backend.core.study_cell import StudyCell, column, having, model_dummies, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "prompt_cosine"
QUESTION = "Do prompts that agree make vectors that work?"
CAVEAT = (
    "Simpson's paradox: models differ in cosine and in r, so cells of several models correlate "
    "even if cosine does nothing within a model. Cells of one model share responses, so every p "
    "over cells is too small."
)


def working_and_failing(
    rows: Sequence[StudyCell], name: str, thresholds: StatusThresholds
) -> GroupComparison | None:
    """A metric of working cells (r above the threshold) against that of all others.

    Args:
        rows: the cells; those without r or the metric are left out.
        name: a column.
        thresholds: where a cell works.

    Returns:
        None if a group is empty.
    """
    known = having(rows, "r", name)
    working = column(known, "r") > thresholds.working
    if working.all() or not working.any():
        return None
    values = column(known, name)
    return compare_groups(values[working], values[~working])


def within_models(rows: Sequence[StudyCell], name: str) -> dict[str, Estimate]:
    """Model -> correlation over its traits of a metric with r."""
    known = having(rows, "r", name)
    found = {}
    for model in models_of(known):
        own = [row for row in known if row.model == model]
        found[model] = pearson(_against_r(own, name))
    return found


def model_adjusted(rows: Sequence[StudyCell], name: str) -> Estimate:
    """Correlation of a metric with r after taking away what differs between models."""
    known = having(rows, "r", name)
    if len(models_of(known)) < 2:
        return Estimate.undefined(len(known), "there is one model: nothing to adjust for")
    return partial_correlation(_against_r(known, name), model_dummies(known))


def cosine_finding(rows: Sequence[StudyCell], thresholds: StatusThresholds) -> Finding:
    """Prompt cosine against r, overall and within model (study, Evidence 2).

    Args:
        rows: the cells at their best layers.
        thresholds: where a cell works.
    """
    if len(having(rows, "r", "high_cosine", "low_cosine")) < 3:
        return not_computable(NAME, QUESTION, "fewer than 3 cells have r and cosines", CAVEAT)
    lines: list[Row] = []
    deciding = []
    for pole in ("high", "low"):
        name = f"{pole}_cosine"
        lines += _group_rows(rows, pole, name, thresholds)
        known = having(rows, "r", name)
        overall = pearson(_against_r(known, name))
        lines.append(Row(f"{pole} cosine v r, all cells", overall))
        for model, found in within_models(rows, name).items():
            lines.append(Row(f"{pole} cosine v r, within {model}", found))
        adjusted = model_adjusted(rows, name)
        lines.append(Row(f"{pole} cosine v r, model held fixed", adjusted))
        deciding.append(adjusted if len(models_of(known)) > 1 else overall)
    supported = [supports(found) and (found.value or 0) > 0 for found in deciding]
    verdict: Verdict = "supported" if any(supported) else "undetermined"
    which = {0: "cosine does not visibly predict r", 1: "one pole's cosine predicts r"}
    lead = "Yes." if any(supported) else "Not shown."
    values = " and ".join("undefined" if d.value is None else f"{d.value:+.2f}" for d in deciding)
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"{lead} Within models {which.get(sum(supported), 'both cosines predict r')} "
        f"(adjusted r {values}, high and low pole).",
        CAVEAT,
        tuple(lines),
    )


def _group_rows(
    rows: Sequence[StudyCell], pole: str, name: str, thresholds: StatusThresholds
) -> list[Row]:
    groups = working_and_failing(rows, name, thresholds)
    if groups is None:
        return []
    known = having(rows, "r", name)
    working = sum(row.r is not None and row.r > thresholds.working for row in known)
    mean = "{} cosine, mean of {}"
    return [
        Row(mean.format(pole, "working"), Estimate.exact(groups.first_mean, working)),
        Row(
            mean.format(pole, "failing"),
            Estimate.exact(groups.second_mean, len(known) - working),
        ),
        Row(f"{pole} cosine, working - failing, Student", groups.student),
        Row(f"{pole} cosine, working - failing, Welch", groups.welch),
        Row(
            f"{pole} cosine, working - failing, Mann-Whitney",
            groups.mann_whitney,
            note="the number is the probability that a working cell's cosine is the larger",
        ),
    ]


def _against_r(cells: Sequence[StudyCell], name: str) -> Cases:
    return Cases.independent(column(cells, name), column(cells, "r"))


def _of_evidence(evidence: StudyEvidence, thresholds: StatusThresholds) -> Finding:
    return cosine_finding(evidence.cells, thresholds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)
