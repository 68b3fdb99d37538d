"""Which layer is best for each trait of a run, and what that choice is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.core.estimate import Estimate
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.status import Status, status_of
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.settings import Settings

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


def layer_choices(settings: Settings, run_id: str, prompt_set: str) -> tuple[LayerChoice, ...]:
    """The best layer of every trait of a run, in the study's order.

    Args:
        settings: where the store is, and the thresholds of a status.
        run_id: a published run.
        prompt_set: which prompts the vectors are built from.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        record = read_record(connection, run_id)
        # Where there is no best layer, the first layer's row says why r is undefined.
        rows = connection.execute(
            "SELECT b.trait, b.layer, b.p, b.null_95, b.held_out_r, b.held_out_low,"
            " b.held_out_high, b.held_out_p, b.reason, c.n, c.r, c.low, c.high, c.p, c.reason,"
            " c.rho, c.rho_low, c.rho_high FROM best_layers b JOIN traits t USING (trait)"
            " JOIN correlations c ON c.method = b.method AND c.trait = b.trait"
            " AND c.prompt_set = b.prompt_set AND c.layer = coalesce(b.layer, $first)"
            " WHERE b.method = $method AND b.prompt_set = $prompt_set ORDER BY t.position",
            {"method": MEAN_DIFFERENCE, "prompt_set": prompt_set, "first": record.layers[0]},
        ).fetchall()
    adjusted = benjamini_hochberg([row[2] for row in rows])
    found = []
    for row, own_adjusted in zip(rows, adjusted, strict=True):
        trait, layer, p, null_95, held_r, held_low, held_high, held_p, reason, *rest = row
        n, r, low, high, own_p, why, rho, rho_low, rho_high = rest
        held_reason = None if held_r is not None else why or reason
        found.append(
            LayerChoice(
                trait=trait,
                layers=record.layers,
                layer=layer,
                correlation=Correlation(n, r, low, high, own_p, why),
                rank=Estimate(rho, rho_low, rho_high, None, n, why),
                status=status_of(r, settings.thresholds),
                p=p,
                null_95=null_95,
                adjusted_p=own_adjusted,
                held_out=Estimate(held_r, held_low, held_high, held_p, n, held_reason),
                beyond=_beyond(layer, record.layers, record.depth),
            )
        )
    return tuple(found)


def _beyond(layer: int | None, layers: tuple[int, ...], depth: int) -> Beyond | None:
    if layer is None or len(layers) == 1:
        return None
    if layer == layers[-1] and layer < depth:
        return "later"
    return "earlier" if layer == layers[0] and layer > 0 else None
