"""How many prompts a vector needs: vectors from random subsets of the prompts of a cell."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.core.vectors.subsampling import SubsampleSize
from backend.settings import Settings

__all__ = ["SubsampleCurve", "SubsampleSize", "subsampling"]


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


def subsampling(
    settings: Settings, run_id: str, trait: str, prompt_set: str, layer: int
) -> SubsampleCurve:
    """The curve of one cell of a run.

    Args:
        settings: where the store is.
        run_id: a published run.
        trait: one of its traits.
        prompt_set: which of its prompts.
        layer: one of its layers.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    where = "trait = ? AND prompt_set = ? AND layer = ?"
    key = [trait, prompt_set, layer]
    with reading_run(settings, run_id) as connection:
        rows = connection.execute(
            "SELECT size, cosine, cosine_low, cosine_high, stability, r, r_low, r_high"
            f" FROM subsampling WHERE {where} ORDER BY size",
            key,
        ).fetchall()
        whole = connection.execute(
            f"SELECT n, r, low, high, p, reason FROM correlations WHERE {where} AND method = ?",
            [*key, MEAN_DIFFERENCE],
        ).fetchall()
        high, low = connection.execute(
            "SELECT count(*) FILTER (pole = 'high'), count(*) FILTER (pole = 'low') FROM prompts"
            " WHERE trait = ? AND prompt_set = ?",
            [trait, prompt_set],
        ).fetchall()[0]
        target = connection.execute("SELECT target FROM study").fetchall()[0][0]
    nothing = Estimate.undefined(0, "this run has no such cell")
    return SubsampleCurve(
        sizes=tuple(
            SubsampleSize(
                size,
                (cosine, cosine_low, cosine_high),
                stability,
                None if r is None else (r, r_low, r_high),
            )
            for size, cosine, cosine_low, cosine_high, stability, r, r_low, r_high in rows
        ),
        prompts=(high, low),
        whole=Correlation(*whole[0]) if whole else nothing,
        target=target,
    )
