"""What each token of a response contributes to its projection, to r and to its residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.case_terms import CaseTerms, case_terms
from backend.core.statistics.correlation import pearson
from backend.core.token_shares import contributions, top_spans
from backend.runs.directions import DirectionKey, directions
from backend.runs.imported_vectors import NamedVector
from backend.runs.token_view import TokenText, TokenView
from backend.store.run import Run
from backend.store.run_values import ScoredCases
from backend.views.map.compute import layer_of_map

Of = Literal["projection", "r", "residual"]
# Spans shown each way, and how long one is at most unless somebody says so.
MOST_SPANS, LONGEST = 5, 12
NO_END = "it is not the first or the last turn of a conversation that was scored at both"
NOT_SCORED = "it was not scored for this trait"


@dataclass(frozen=True)
class Role:
    """What a response is in r.

    Attributes:
        sign: 1 for the last turn or a single response, -1 for the first turn.
        reference: mean of the pooled projection over the responses of this turn that the same
            responder gave in scored cases, activation units.
        x: the case's drift (or level) of the projection less its responder's mean.
        y: the same of the score, score units.
        term: the case's term of r, x y over sqrt(sum x^2 sum y^2): over all cases they sum to r.
            None where r is undefined.
        scale: sqrt(sum x^2 sum y^2); None likewise.
        slope: of the regression line of y on x within responders.
        residual: y less slope times x, score units.
    """

    sign: int
    reference: float
    x: float
    y: float
    term: float | None
    scale: float | None
    slope: float
    residual: float


@dataclass(frozen=True, eq=False)
class VectorCases:
    """The scored cases of a trait along one vector at one layer.

    Attributes:
        projections: of all responses, from the activations that the run holds, by id, [N].
        scored: who, and which scores.
        terms: of the cases; None where the projection does not vary or there are too few.
        r: of these cases. Of a probe it is not held out.
        reason: why there are no projections; None where there are.
    """

    projections: Floats
    scored: ScoredCases
    terms: CaseTerms | None
    r: Estimate
    reason: str | None

    def role(self, response_id: int) -> Role | str:
        """What a response is in r, or why it is nothing.

        Args:
            response_id: its number in the study.
        """
        if self.terms is None:
            return self.r.reason or "r is undefined"
        place, sign = self._place(response_id)
        if place is None:
            return NOT_SCORED if self.scored.first_response is None else NO_END
        ids = self.scored.last_response if sign > 0 else self.scored.first_response
        assert ids is not None  # a first turn was found there
        own = [who == self.scored.responders[place] for who in self.scored.responders]
        x, y, size = self.terms.x[place], self.terms.y[place], self.terms.scale
        return Role(
            sign=sign,
            reference=float(self.projections[ids[own]].mean()),
            x=float(x),
            y=float(y),
            term=None if size is None else float(x * y / size),
            scale=size,
            slope=self.terms.slope,
            residual=float(self.terms.residuals[place]),
        )

    def _place(self, response_id: int) -> tuple[int | None, int]:
        for sign, ids in ((1, self.scored.last_response), (-1, self.scored.first_response)):
            if ids is not None and response_id in ids:
                return int(np.flatnonzero(ids == response_id)[0]), sign
        return None, 0


@dataclass(frozen=True)
class SpanShare:
    """Tokens that follow each other, and what they contribute.

    Attributes:
        text: what they stand for.
        start: place of the first among the tokens of the text.
        stop: place after the last.
        total: sum of their contributions, in the unit of what is asked.
    """

    text: str
    start: int
    stop: int
    total: float


@dataclass(frozen=True, eq=False)
class Shares:
    """What the tokens of one response contribute to one number.

    Attributes:
        of: to what: the pooled projection less its mean over the run's responses (activation
            units); the case's term of r; or the case's residual (score units).
        values: each token's contribution, [tokens]; 0 for those that are not pooled.
        rest: what is no matter of these tokens, so that values and rest sum to ``total``: 0 for the
            projection; for the others, what the other turn of the case contributes, and for the
            residual the score's distance from its mean too.
        total: the number itself.
        raising: spans that contribute most upwards, largest first.
        lowering: likewise downwards.
    """

    of: Of
    values: Floats
    rest: float
    total: float
    raising: tuple[SpanShare, ...]
    lowering: tuple[SpanShare, ...]


@dataclass(frozen=True)
class TokenTurn:
    """One turn of a conversation.

    Attributes:
        response_id: number of the response in the study.
        turn: in words of the study; empty in a study without turns.
        projection: pooled, activation units.
        velocity: change since the turn before, activation units a turn; None for the first.
    """

    response_id: int
    turn: str
    projection: float
    velocity: float | None


def vector_cases(
    runs: Sequence[Run],
    named: Sequence[NamedVector],
    key: DirectionKey,
    prompt_set: str,
    layer: int,
) -> VectorCases:
    """The scored cases of a vector's trait along it.

    Args:
        runs: one open run.
        named: all vectors that were saved or imported.
        key: which vector.
        prompt_set: of a method's vector.
        layer: one of the run's layers.
    """
    (run,) = runs
    found = directions(run, named, [key], prompt_set, [layer])
    scored = run.scored_cases(key.trait)
    reason = found.reasons.get((0, layer))
    if reason is not None:
        return VectorCases(np.zeros(0), scored, None, Estimate.undefined(0, reason), reason)
    unit = found.units[0, 0]
    projections = np.concatenate(
        [np.zeros(0), *(part @ unit for part in run.response_chunks(layer))]
    )
    if not len(scored):
        r = Estimate.undefined(0, "this trait has no scored responses")
        return VectorCases(projections, scored, None, r, None)
    cases = scored.cases(scored.drift_of(projections))
    return VectorCases(projections, scored, case_terms(cases), pearson(cases), None)


def shares(
    view: TokenView,
    text: TokenText,
    vector: int,
    layer: int,
    of: Of = "projection",
    role: Role | None = None,
    longest: int | None = LONGEST,
) -> Shares | None:
    """What each token of a response contributes; None where there is no vector, or no role in r.

    A token that is pooled contributes (p - m) / n to the pooled projection, m being the mean over
    the run's responses and n the number of pooled tokens. To the case's term of r it contributes
    sign (p - m') / n times y / sqrt(sum x^2 sum y^2), and to the residual -slope sign (p - m') / n,
    with the mean m' of its turn; see :class:`Role`.

    Args:
        view: of the run.
        text: one of its texts.
        vector: place of the vector in the request.
        layer: one of the request's layers.
        of: to what.
        role: of the response in r; None where it has none.
        longest: tokens of a span at most; None for no limit.
    """
    column = view.request.layers.index(layer)
    projections = text.values[vector, column]
    if np.isnan(projections).any():
        return None
    if of == "projection":
        reference, factor = float(view.means[vector, column]), 1.0
    elif role is None or (of == "r" and role.scale is None):
        return None
    else:
        reference = role.reference
        factor = role.sign * (role.y / role.scale if of == "r" and role.scale else -role.slope)
    values = factor * contributions(projections, text.pooled, reference)
    own = float(values.sum())
    if of == "projection" or role is None:
        total = own
    else:
        total = role.residual if of == "residual" else role.term or 0.0
    return Shares(
        of=of,
        values=values,
        rest=total - own,
        total=total,
        raising=_spans(text, values, longest),
        lowering=tuple(
            SpanShare(span.text, span.start, span.stop, -span.total)
            for span in _spans(text, -values, longest)
        ),
    )


def steps(view: TokenView, vector: int, layer: int) -> tuple[TokenTurn, ...]:
    """The turns of a conversation with the velocity between them; none where there is no vector.

    Args:
        view: of one conversation.
        vector: place of the vector in the request.
        layer: one of the request's layers.
    """
    column = view.request.layers.index(layer)
    found: list[TokenTurn] = []
    for text in view.texts:
        here = float(text.projections[vector, column])
        if np.isnan(here):
            return ()
        velocity = here - found[-1].projection if found else None
        found.append(TokenTurn(text.response_id, text.turn or "", here, velocity))
    return tuple(found)


def _spans(text: TokenText, values: Floats, longest: int | None) -> tuple[SpanShare, ...]:
    """Spans of pooled tokens alone, which may have a special token between them."""
    places = np.flatnonzero(text.pooled)
    found = []
    for span in top_spans(values[places], MOST_SPANS, longest):
        start, stop = int(places[span.start]), int(places[span.stop - 1]) + 1
        found.append(SpanShare("".join(text.tokens[start:stop]), start, stop, span.total))
    return tuple(found)


def first_layer(
    runs: Sequence[Run], named: Sequence[NamedVector], key: DirectionKey, prompt_set: str
) -> int:
    """The layer to begin with: of a method's vector that of the other pages; of a named vector the
    same, or the first at which the run can use it.

    Args:
        runs: one open run.
        named: all vectors that were saved or imported.
        key: which vector.
        prompt_set: of a method's vector.
    """
    (run,) = runs
    best = layer_of_map(run, key.trait, prompt_set)
    if key.method:
        return best
    found = directions(run, named, [key], prompt_set, run.record.layers)
    usable = [layer for layer in run.record.layers if (0, layer) not in found.reasons]
    return best if best in usable or not usable else usable[0]
