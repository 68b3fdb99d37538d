"""The published reference, for pages."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.finding import Finding
from backend.core.study_cell import CellRow
from backend.settings import Settings
from backend.studies.published import TITLE, load_reference
from backend.views.study_tests.cosine import NAME as PROMPT_COSINE
from backend.views.study_tests.published import least_between_text, printed_r, reference_findings

__all__ = [
    "PROMPT_COSINE",
    "TITLE",
    "CellRow",
    "Finding",
    "PublishedPair",
    "published_agreements",
    "published_cells",
    "published_findings",
    "published_transfers",
]


@dataclass(frozen=True)
class PublishedPair:
    """A printed A -> B.

    Attributes:
        trait: the trait.
        activation_model: A.
        behaviour_model: B.
        self_r: B's own r, as printed, with the interval that the study's n gives it.
        cross_r: A's r, likewise.
        difference: cross - self; it has no interval, as the projections' correlation is not
            printed.
        needed: how alike the projections must be for the difference to be significant.
        ceiling: the printed agreement of the two models' behaviour, likewise; undefined where
            none is printed.
    """

    trait: str
    activation_model: str
    behaviour_model: str
    self_r: Estimate
    cross_r: Estimate
    difference: Estimate
    needed: str
    ceiling: Estimate


def published_findings(settings: Settings) -> tuple[Finding, ...]:
    """The study's ten tests recomputed from its printed tables, beside what it printed."""
    return reference_findings(load_reference(), settings.thresholds)


def published_cells() -> tuple[CellRow, ...]:
    """The printed cells, one per model and trait."""
    return load_reference().cells


def published_transfers() -> tuple[PublishedPair, ...]:
    """The study's transfer table with what its printed numbers allow to be said."""
    reference = load_reference()
    n = reference.scenarios
    agreed = {(a.trait, frozenset((a.first, a.second))): a.r for a in reference.agreements}
    found = []
    for t in reference.transfers:
        r = agreed.get((t.trait, frozenset((t.activation_model, t.behaviour_model))))
        found.append(
            PublishedPair(
                trait=t.trait,
                activation_model=t.activation_model,
                behaviour_model=t.behaviour_model,
                self_r=printed_r(t.self_r, n),
                cross_r=printed_r(t.cross_r, n),
                difference=Estimate(
                    t.cross_r - t.self_r,
                    None,
                    None,
                    None,
                    n,
                    "the correlation of the two projections is not printed",
                ),
                needed=least_between_text(t, n),
                ceiling=Estimate.undefined(n, "the study prints no agreement of these two")
                if r is None
                else printed_r(r, n),
            )
        )
    return tuple(found)


def published_agreements() -> dict[tuple[str, str, str], Estimate]:
    """(trait, model, model) -> printed agreement of their behaviour, with its interval."""
    reference = load_reference()
    return {
        (a.trait, a.first, a.second): printed_r(a.r, reference.scenarios)
        for a in reference.agreements
    }
