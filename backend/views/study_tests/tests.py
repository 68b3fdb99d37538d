"""The study's ten tests, on any study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.core.cases import Floats
from backend.core.finding import Finding
from backend.core.study_cell import CellRow
from backend.settings import StatusThresholds
from backend.views.study_tests.compression import compression_finding
from backend.views.study_tests.cosine import cosine_finding
from backend.views.study_tests.feasibility import feasibility_counts, feasibility_finding
from backend.views.study_tests.layers import Sweep, layer_finding
from backend.views.study_tests.prompt_sets import PromptSetR, prompt_set_finding
from backend.views.study_tests.ranks import rank_finding
from backend.views.study_tests.scorecard import scorecard_finding
from backend.views.study_tests.units import units_finding
from backend.views.transfer.agreement import agreement_finding, agreements
from backend.views.transfer.transfers import TransferCase, transfer_finding, transfers

# Of the score range: 6 and 2 on the study's scale of 0 to 10.
HIGH_SHARE, LOW_SHARE = 0.6, 0.2


@dataclass(frozen=True)
class Evidence:
    """What the runs of a study hold, ready for its tests.

    Attributes:
        cells: one row per model and trait, best layer each.
        widths: model -> d.
        sweeps: r over layers per model and trait.
        prompt_set_rs: r per model, trait and prompt set, best layer each.
        prompt_set: the set the other numbers are of.
        transfer_cases: every ordered pair of models on every trait.
        scores: (responder, trait) -> scores of its responses.
        score_range: lowest and highest allowed score.
        behaviours: trait -> responder -> scenario -> score drift (or level).
    """

    cells: tuple[CellRow, ...]
    widths: Mapping[str, int]
    sweeps: tuple[Sweep, ...]
    prompt_set_rs: tuple[PromptSetR, ...]
    prompt_set: str
    transfer_cases: tuple[TransferCase, ...]
    scores: Mapping[tuple[str, str], Floats]
    score_range: tuple[float, float]
    behaviours: Mapping[str, Mapping[str, Mapping[str, float]]]


def study_findings(evidence: Evidence, thresholds: StatusThresholds) -> tuple[Finding, ...]:
    """All ten tests in the study's order; a test whose data are missing says so.

    Args:
        evidence: what the runs hold.
        thresholds: where a status changes.
    """
    low, high = evidence.score_range
    at_least, at_most = (low + share * (high - low) for share in (HIGH_SHARE, LOW_SHARE))
    counts = feasibility_counts(evidence.scores, at_least, at_most)
    return (
        scorecard_finding(evidence.cells, thresholds),
        layer_finding(evidence.sweeps, thresholds),
        compression_finding(evidence.cells),
        rank_finding(evidence.cells),
        prompt_set_finding(evidence.prompt_set_rs, evidence.prompt_set, thresholds),
        transfer_finding(transfers(evidence.transfer_cases)),
        cosine_finding(evidence.cells, thresholds),
        units_finding(evidence.cells, evidence.widths),
        feasibility_finding(counts, at_least, at_most),
        agreement_finding(agreements(evidence.behaviours), thresholds.working),
    )
