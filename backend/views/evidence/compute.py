"""The cases behind r one by one: texts, scores, projections, and where the vector is most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.case_terms import case_terms
from backend.core.statistics.correlation import pearson
from backend.core.statistics.line import Line, regression_line
from backend.core.vectors.build import build
from backend.core.vectors.inner_product import missing_inner_product
from backend.core.vectors.pipeline import Pipeline
from backend.store.run import Run
from backend.store.run_values import ScoredCases
from backend.types import Message, Turn

Order = Literal["wrong", "above", "below", "study"]
CaseKey = tuple[str, str]


@dataclass(frozen=True)
class EvidenceCase:
    """One case of r.

    Attributes:
        scenario: of the case.
        responder: who responded.
        responses: ids of its responses: at the first and the last turn, or the single one.
        scores: of those responses.
        projections: of those responses along v / ||v||, units of the inner product.
        x: what r is taken over: drift (or level) of the projection, within responders.
        y: the same of the score.
        residual: y less the regression line at x, score units; None where there is no line.
    """

    scenario: str
    responder: str
    responses: tuple[int, ...]
    scores: tuple[float, ...]
    projections: tuple[float, ...]
    x: float
    y: float
    residual: float | None

    @property
    def place(self) -> CaseKey:
        """What names it among the cases of its trait."""
        return self.scenario, self.responder


@dataclass(frozen=True, eq=False)
class Evidence:
    """The cases of one trait at one layer, along one vector.

    Attributes:
        trait: the trait.
        layer: the layer.
        target: what r is taken over: drift or level.
        label: the vector in words.
        r: of the cases.
        line: score on projection; None where it is undefined.
        cases: in the study's order; none where there is no vector or no score.
        reason: why there are none; None where there are some.
        several: whether several responders are among them, so that x and y are within them.
    """

    trait: str
    layer: int
    target: str
    label: str
    r: Estimate
    line: Line | None
    cases: tuple[EvidenceCase, ...]
    reason: str | None
    several: bool

    def ordered(self, order: Order) -> tuple[EvidenceCase, ...]:
        """The cases by residual.

        Args:
            order: ``wrong``: largest first, whatever its sign; ``above``: score above the line
                first; ``below``: score below it first; ``study``: as in the study.
        """
        if order == "study":
            return self.cases
        return tuple(sorted(self.cases, key=lambda case: -_wrong(case, order)))


@dataclass(frozen=True)
class ReadTurn:
    """One response of a case. Attributes: turn (None without turns), the chat before it, its text,
    score and projection."""

    turn: Turn | None
    messages: tuple[Message, ...]
    text: str
    score: float
    projection: float


def evidence(run: Run, trait: str, prompt_set: str, layer: int, pipeline: Pipeline) -> Evidence:
    """The cases of one trait at one layer, along the vector of a pipeline.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
        pipeline: how the vector is built; the mean difference without choices.
    """
    target = run.record.target
    cells = run.cell_products(pipeline.metric, trait, prompt_set, layer)
    scored = run.scored_cases(trait)
    reason = None
    if not cells:
        reason = missing_inner_product(pipeline.metric, layer)
    elif not len(scored):
        reason = "this trait has no scored responses"
    else:
        cell = cells[0]
        built = build(pipeline, cell.stacked(run.record.width))
        weights = built.weights[0]
        length = float(np.sqrt(max(weights @ cell.gram @ weights, 0.0)))
        reason = built.refusals.get(0) or (None if length > 0 else "the vector is zero")
    if reason is not None:
        nothing = Estimate.undefined(len(scored), reason)
        return Evidence(trait, layer, target, pipeline.label, nothing, None, (), reason, False)
    products = run.response_products(pipeline.metric, trait, prompt_set, layer)
    projections = products @ weights / length
    cases = scored.cases(scored.drift_of(projections))
    return Evidence(
        trait=trait,
        layer=layer,
        target=target,
        label=pipeline.label,
        r=pearson(cases),
        line=regression_line(cases),
        cases=_cases(scored, cases, projections),
        reason=None,
        several=cases.stratum_count > 1,
    )


def conversation(run: Run, case: EvidenceCase) -> tuple[ReadTurn, ...]:
    """What was said in a case, by turn.

    Args:
        run: an open run.
        case: one of its cases.
    """
    found = {response.response_id: response for response in run.responses(case.responses)}
    return tuple(
        ReadTurn(found[number].turn, found[number].messages, found[number].text, score, along)
        for number, score, along in zip(case.responses, case.scores, case.projections, strict=True)
    )


def _cases(scored: ScoredCases, cases: Cases, projections: Floats) -> tuple[EvidenceCase, ...]:
    inner = cases.within_responders()
    terms = case_terms(cases)
    residuals = None if terms is None else terms.residuals
    found = []
    for i, (scenario, responder) in enumerate(
        zip(scored.scenarios, scored.responders, strict=True)
    ):
        responses, scores = [int(scored.last_response[i])], [float(scored.last[i])]
        if scored.first_response is not None and scored.first is not None:
            responses.insert(0, int(scored.first_response[i]))
            scores.insert(0, float(scored.first[i]))
        found.append(
            EvidenceCase(
                scenario=scenario,
                responder=responder,
                responses=tuple(responses),
                scores=tuple(scores),
                projections=tuple(float(projections[number]) for number in responses),
                x=float(inner.x[i]),
                y=float(inner.y[i]),
                residual=None if residuals is None else float(residuals[i]),
            )
        )
    return tuple(found)


def _wrong(case: EvidenceCase, order: Order) -> float:
    """How early a case comes; 0 where there is no line."""
    residual = case.residual or 0.0
    return abs(residual) if order == "wrong" else residual if order == "above" else -residual
