"""How the scores of one trait go with projections and with the length of the responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.statistics.correlation import FLAT, pearson
from backend.core.statistics.line import Line, regression_line
from backend.core.statistics.partial import partial_correlation
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.store.run import Run
from backend.store.run_values import ScoredCases
from backend.types import Target

NO_LENGTH = "how long the responses are is not known: the activations were imported"


@dataclass(frozen=True)
class ScoreLinks:
    """The cases of one trait at one layer.

    Attributes:
        trait: the trait.
        layer: the layer of the projections.
        target: what is correlated: drift or level (none where there are no scored responses).
        cases: who, which scores and how long.
        projection: drift (or level) of each case's projection, activation units, [cases].
        line: score on projection; None where it is undefined.
        length_line: projection on length; likewise.
        rows: r of projection and score, plain and with length held fixed, then r of each with
            length.
        scale: lowest and highest allowed score.
        ends: names of the first and of the last turn; in words where conversations differ.
    """

    trait: str
    layer: int
    target: Target
    cases: ScoredCases
    projection: Floats
    line: Line | None
    length_line: Line | None
    rows: tuple[Row, ...]
    scale: tuple[float, float]
    ends: tuple[str, str]

    @property
    def several(self) -> bool:
        """Whether several responders are in the cases, so that all is within them."""
        return len(set(self.cases.responders)) > 1

    def within(self, x: Floats, y: Floats) -> Cases:
        """Two columns as r and the lines see them: within responders, [cases] each."""
        return self.cases.cases(x, y).within_responders()


def score_links(run: Run, prompt_set: str, trait: str, layer: int) -> ScoreLinks:
    """The cases of one trait at one layer; without cases every r is undefined with its reason.

    Args:
        run: an open run.
        prompt_set: which prompts the vectors are built from.
        trait: one of its traits.
        layer: one of its layers.

    Raises:
        StoreError: the run has no such trait, prompt set or layer.
    """
    found = run.drifts(MEAN_DIFFERENCE, trait, layer).get((MEAN_DIFFERENCE, trait, prompt_set))
    if found is None or layer not in run.record.layers:
        raise StoreError(
            f"Run {run.record.run_id} has no cell with trait {trait!r}, prompt set {prompt_set!r} "
            f"and layer {layer}.",
            expected="a trait, a prompt set and a layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    by_layer, _ = found
    projection = by_layer.get(layer, np.zeros(0))
    scored = run.scored_cases(trait)
    if len(projection) != len(scored):  # no vector here, so nothing is projected
        scored, projection = ScoredCases.none(), np.zeros(0)
    names = ("projections", "scores", "lengths of the responses")
    cases = scored.cases(projection)
    with_length = cases.with_y(scored.length)
    r = _r(cases, names[0], names[1])
    unknown = None if scored.length_known else Estimate.undefined(len(cases), NO_LENGTH)
    along_length = unknown or _r(with_length, names[0], names[2])
    what = run.record.target
    rows = (
        Row(f"projection {what} v score {what}", r),
        Row("the same, length held fixed", _given_length(cases, scored.length, r, along_length)),
        Row(f"projection {what} v length {what}", along_length),
        Row(
            f"score {what} v length {what}",
            unknown or _r(scored.cases(scored.behaviour, scored.length), names[1], names[2]),
        ),
    )
    return ScoreLinks(
        trait=trait,
        layer=layer,
        target=what,
        cases=scored,
        projection=projection,
        line=regression_line(cases),
        length_line=regression_line(scored.cases(scored.length, projection)),
        rows=rows,
        scale=run.score_range,
        ends=run.turn_ends,
    )


def _r(cases: Cases, x_name: str, y_name: str) -> Estimate:
    """Pearson's r; a reason names the variable that does not vary."""
    if len(cases) >= 3:
        for values, name in ((cases.x, x_name), (cases.y, y_name)):
            if np.ptp(values) <= FLAT * np.abs(values).max():
                return Estimate.undefined(len(cases), f"the {name} do not vary")
    return pearson(cases)


def _given_length(cases: Cases, length: Floats, r: Estimate, along_length: Estimate) -> Estimate:
    """Partial correlation of projection and score; undefined where the plain ones are."""
    for found in (r, along_length):
        if found.value is None:
            return Estimate.undefined(found.n, found.reason or "r is undefined")
    return partial_correlation(cases, length[:, None])
