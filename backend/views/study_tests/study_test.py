"""What a test of a study is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Finding
from backend.core.study_cell import StudyCell
from backend.settings import StatusThresholds
from backend.views.transfer.agreement import Behaviours
from backend.views.transfer.transfers import TransferCase


@dataclass(frozen=True)
class LayerSweep:
    """r of one model and trait over the layers.

    Attributes:
        model: the model.
        trait: the trait.
        rs: layer -> r, None where undefined.
        best: the layer with the highest r; None without any.
        p: permutation p of the highest r over all layers; None where undefined.
        held_out: r at the layer chosen on the other half of the scenarios.
    """

    model: str
    trait: str
    rs: Mapping[int, float | None]
    best: int | None
    p: float | None
    held_out: Estimate


@dataclass(frozen=True)
class PromptSetR:
    """r of one model and trait with vectors from one prompt set, best layer each.

    Attributes:
        model: the model.
        trait: the trait.
        prompt_set: the set.
        r: None where undefined.
    """

    model: str
    trait: str
    prompt_set: str
    r: float | None


@dataclass(frozen=True, eq=False)
class StudyEvidence:
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
        groups: scenario -> its group of dependent scenarios.
    """

    cells: tuple[StudyCell, ...]
    widths: Mapping[str, int]
    sweeps: tuple[LayerSweep, ...]
    prompt_set_rs: tuple[PromptSetR, ...]
    prompt_set: str
    transfer_cases: tuple[TransferCase, ...]
    scores: Mapping[tuple[str, str], Floats]
    score_range: tuple[float, float]
    behaviours: Behaviours
    groups: Mapping[str, str]


@dataclass(frozen=True)
class StudyTest:
    """One registered test.

    Attributes:
        name: key, also of its finding.
        question: what is asked.
        finding: evidence and where a status changes -> what the test finds; without the data it
            needs, that they are missing.
    """

    name: str
    question: str
    finding: Callable[[StudyEvidence, StatusThresholds], Finding]
