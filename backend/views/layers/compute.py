"""Which layer is best for each trait of a run, and what that choice is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backend.core.estimate import Estimate
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.status import Status, status_of
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.settings import StatusThresholds
from backend.store.run import Run

Beyond = Literal["earlier", "later"]


@dataclass(frozen=True)
class LayerChoice:
    """The best layer of one trait.

    Attributes:
        trait: the trait.
        layers: the layers of the run, ascending.
        layer: the one with the highest r; None where r is undefined at every layer.
        correlation: r there, with Fisher's interval, which does not allow for the choice.
        rank: Spearman's rho there.
        status: of that r.
        p: one-sided permutation p of the maximum over the layers.
        null_95: what the maximum exceeds in 5% of permutations, where nothing is there.
        adjusted_p: p after Benjamini and Hochberg over the traits of the run.
        held_out: r on halves of the scenarios that the layer was not chosen on.
        beyond: on which side a better layer may lie that the model has and the run has not;
            None where the best layer is no end of the run's layers, or the model ends there too.
    """

    trait: str
    layers: tuple[int, ...]
    layer: int | None
    correlation: Estimate
    rank: Estimate
    status: Status
    p: float | None
    null_95: float | None
    adjusted_p: float | None
    held_out: Estimate
    beyond: Beyond | None


def layer_choices(
    run: Run, prompt_set: str, thresholds: StatusThresholds
) -> tuple[LayerChoice, ...]:
    """The best layer of every trait that has prompts of a set, in the study's order.

    Where r is undefined at every layer there is no best one, and the first layer says why.

    Args:
        run: an open run.
        prompt_set: which prompts the vectors are built from.
        thresholds: where the statuses begin.
    """
    layers, depth = run.record.layers, run.record.depth
    rows = {
        (row.trait, row.layer): row
        for row in run.correlations(MEAN_DIFFERENCE, prompt_set=prompt_set)
    }
    best = run.best_layers(MEAN_DIFFERENCE, prompt_set)
    adjusted = benjamini_hochberg([found.p for found in best])
    choices = []
    for found, adjusted_p in zip(best, adjusted, strict=True):
        shown = rows[found.trait, layers[0] if found.layer is None else found.layer]
        held_out = found.held_out
        if held_out.value is None:
            # Where r itself is undefined, that is why; then why there is no best layer.
            why = shown.correlation.reason or found.reason or held_out.reason
            held_out = Estimate.undefined(shown.correlation.n, str(why))
        choices.append(
            LayerChoice(
                trait=found.trait,
                layers=layers,
                layer=found.layer,
                correlation=shown.correlation,
                rank=shown.rank,
                status=status_of(shown.correlation.value, thresholds),
                p=found.p,
                null_95=found.null_95,
                adjusted_p=adjusted_p,
                held_out=held_out,
                beyond=_beyond(found.layer, layers, depth),
            )
        )
    return tuple(choices)


def choice_of(choices: Sequence[LayerChoice], trait: str) -> LayerChoice:
    """The choice of one trait.

    Args:
        choices: of a run and prompt set.
        trait: one of the study's traits.

    Raises:
        StoreError: the trait has no prompts of that set.
    """
    for choice in choices:
        if choice.trait == trait:
            return choice
    known = ", ".join(choice.trait for choice in choices) or "none"
    raise StoreError(
        f"{trait!r} has no prompts of this prompt set.",
        expected=f"a trait that has some: {known}.",
        remedy="choose another trait or prompt set in the sidebar.",
    )


def _beyond(layer: int | None, layers: tuple[int, ...], depth: int) -> Beyond | None:
    if layer is None or len(layers) == 1:
        return None
    if layer == layers[-1] and layer < depth:
        return "later"
    return "earlier" if layer == layers[0] and layer > 0 else None
