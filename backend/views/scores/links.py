"""How the scores of one trait go with projections and with the length of the responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import FLAT, pearson
from backend.core.statistics.line import Line, regression_line
from backend.core.statistics.partial import partial_correlation
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.cases import Cases, read_cases
from backend.store.drifts import read_drifts
from backend.types import Target


@dataclass(frozen=True)
class ScoreLinks:
    """The cases of one trait at one layer.

    Attributes:
        trait: the trait.
        layer: the layer of the projections.
        target: what is correlated: drift or level (none where there are no scored responses).
        cases: who, which scores and how long.
        projection: drift (or level) of each case's projection, activation units, [cases].
        r: of projection and score, with Fisher's interval.
        bootstrap: the same with its bootstrap interval over scenarios.
        line: score on projection.
        along_length: r of projection and length.
        length_line: projection on length.
        rows: every r between projection, score and length, and the partial ones.
    """

    trait: str
    layer: int
    target: Target
    cases: Cases
    projection: Floats
    r: Estimate
    bootstrap: Estimate
    line: Line | None
    along_length: Estimate
    length_line: Line | None
    rows: tuple[Row, ...]


def score_links(
    settings: Settings, run_id: str, prompt_set: str, trait: str, layer: int
) -> ScoreLinks:
    """The cases of one trait at one layer; without cases every r is undefined with its reason.

    Args:
        settings: where the store is.
        run_id: a published run.
        prompt_set: which prompts the vectors are built from.
        trait: one of its traits.
        layer: one of its layers.

    Raises:
        StoreError: the run has no such trait, prompt set or layer.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        record = read_record(connection, run_id)
        found = read_drifts(connection, MEAN_DIFFERENCE, trait, layer).get(
            (MEAN_DIFFERENCE, trait, prompt_set)
        )
        cases = read_cases(connection, trait)
    if found is None or layer not in record.layers:
        raise StoreError(
            f"Run {run_id} has no cell with trait {trait!r}, prompt set {prompt_set!r} and layer "
            f"{layer}.",
            expected="a trait, a prompt set and a layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    by_layer, _ = found
    projection = by_layer.get(layer, np.zeros(0))
    if len(projection) != len(cases.behaviour):  # no vector here, so nothing is projected
        empty = np.zeros(0)
        cases, projection = Cases((), (), None, empty, empty, empty), empty
    names = ("projections", "scores", "lengths of the responses")
    score, length = cases.behaviour, cases.length
    r = _r(projection, score, names[0], names[1])
    along = _r(projection, length, names[0], names[2])
    _, scenarios = np.unique(np.array(cases.scenarios), return_inverse=True)
    what = record.target
    rows = (
        Row(f"projection {what} v score {what}", r),
        Row("the same, length held fixed", _given(projection, score, length, r, along)),
        Row(f"projection {what} v length {what}", along),
        Row(f"score {what} v length {what}", _r(score, length, names[1], names[2])),
    )
    return ScoreLinks(
        trait=trait,
        layer=layer,
        target=record.target,
        cases=cases,
        projection=projection,
        r=r,
        bootstrap=bootstrap_r(projection, score, scenarios.astype(np.intp)),
        line=regression_line(projection, score),
        along_length=along,
        length_line=regression_line(length, projection),
        rows=rows,
    )


def _r(x: Floats, y: Floats, x_name: str, y_name: str) -> Estimate:
    """Pearson's r; a reason names the variable that does not vary."""
    if len(x) >= 3:
        for values, name in ((x, x_name), (y, y_name)):
            if np.ptp(values) <= FLAT * np.abs(values).max():
                return Estimate.undefined(len(x), f"the {name} do not vary")
    return pearson(x, y)


def _given(x: Floats, y: Floats, control: Floats, plain: Estimate, other: Estimate) -> Estimate:
    """Partial correlation of x and y; undefined where the plain ones are."""
    for found in other:
        if found.value is None:
            return Estimate.undefined(found.n, found.reason or "r is undefined")
    return partial_correlation(x, y, control[:, None])
