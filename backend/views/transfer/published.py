"""The transfers and agreements that the study printed, with what they allow to be said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from backend.core.estimate import Estimate
from backend.core.statistics.reliability import agreement_ceiling
from backend.studies.published import PrintedTransfer, published_study
from backend.views.transfer.agreement import Agreement
from backend.views.transfer.transfers import least_between


@dataclass(frozen=True)
class PublishedTransfer:
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


@cache
def published_transfers() -> tuple[PublishedTransfer, ...]:
    """The study's transfer table."""
    agreed = {(a.trait, frozenset((a.first, a.second))): a.r for a in published_agreements()}
    return tuple(
        _transfer(t, agreed.get((t.trait, frozenset((t.activation_model, t.behaviour_model)))))
        for t in published_study().transfers
    )


@cache
def published_agreements() -> tuple[Agreement, ...]:
    """The study's table of how alike its models behave."""
    study = published_study()
    return tuple(
        Agreement(a.trait, a.first, a.second, study.correlation(a.r), agreement_ceiling(a.r))
        for a in study.agreements
    )


def _transfer(printed: PrintedTransfer, agreement: Estimate | None) -> PublishedTransfer:
    study = published_study()
    n = study.scenarios
    unknown = "the correlation of the two projections is not printed"
    return PublishedTransfer(
        trait=printed.trait,
        activation_model=printed.activation_model,
        behaviour_model=printed.behaviour_model,
        self_r=study.correlation(printed.self_r),
        cross_r=study.correlation(printed.cross_r),
        difference=Estimate(printed.cross_r - printed.self_r, None, None, None, n, unknown),
        needed=_needed(printed, n),
        ceiling=agreement or Estimate.undefined(n, "the study prints no agreement of these two"),
    )


def _needed(printed: PrintedTransfer, n: int) -> str:
    """How alike the two projections must be for a printed difference to be significant."""
    least = least_between(printed.self_r, printed.cross_r, n)
    if least is None:
        return "not significant at 5% whatever that correlation is"
    if least == 0:
        return "significant at 5% if that correlation is 0 or more"
    return f"significant at 5% only if that correlation is at least {least:.2f}"
