"""How many prompts a vector needs: vectors from random subsets of the prompts of a cell."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.core.vectors.subsampling import SubsampleSize
from backend.store.run import Run


@dataclass(frozen=True)
class SubsampleCurve:
    """One cell's curve.

    Attributes:
        sizes: ascending numbers of prompts per pole.
        prompts: prompts in each pole, (high, low).
        whole: r of the vector of all prompts.
        target: what r is taken over.
    """

    sizes: tuple[SubsampleSize, ...]
    prompts: tuple[int, int]
    whole: Estimate
    target: str


def subsample_curve(run: Run, trait: str, prompt_set: str, layer: int) -> SubsampleCurve:
    """The curve of one cell; empty where the run has no such cell or too few prompts.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: which of its prompts.
        layer: one of its layers.
    """
    poles = [prompt.pole for prompt in run.prompts(trait) if prompt.prompt_set == prompt_set]
    rows = run.correlations(MEAN_DIFFERENCE, trait, prompt_set, layer)
    nothing = Estimate.undefined(0, "this run has no such cell")
    return SubsampleCurve(
        sizes=run.subsampling(trait, prompt_set, layer),
        prompts=(poles.count("high"), poles.count("low")),
        whole=rows[0].correlation if rows else nothing,
        target=run.target,
    )
