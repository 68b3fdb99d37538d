"""A first token that holds most of the prompts' means."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.first_token import FirstTokens, share_beyond
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MASSIVE_REMOVED
from backend.poolings import pooling_title
from backend.types import Pooling
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Fix, Judgement, Rule, Subject, verdict_by_gain
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.remedies import UNIT_ROWS, gain_row

CAUSE, TITLE = "first_token", "First-token (attention sink) artefact"
# What the run itself can tell of the harm.
PROXIES = (MASSIVE_REMOVED, UNIT_ROWS)
REST: Pooling = "mean_rest"
_SUBJECT = Subject(
    CAUSE,
    TITLE,
    "A massive coordinate, as a first token is huge in a few coordinates; prompts with an outlying "
    "norm, as its share of a mean falls with the number of tokens.",
)


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the prompts' means are mostly their first token.

    Measured: the first token's share of a prompt's pooled squared length beyond an ordinary
    token's, median over the prompts; and the gain of r by the better of the remedies that can be
    tried without extracting again, on cases it was not chosen on. Why: many models give position 0
    an activation hundreds of times the others' (Sun et al. 2024). It is nearly the same in every
    prompt and enters a mean with 1/tokens, so the vector reads how long the prompts are. In a chat,
    position 0 belongs to the template; prompts are read as plain text. Confusions: a massive
    coordinate that all tokens have, which the same remedies mend; prompts with an outlying norm.
    Only extracting with another pooling tells them apart, which is why that is the fix, and its
    gain is not known beforehand.
    """
    first, tokens = evidence.first_tokens.first, evidence.first_tokens.tokens
    if first is None:
        return _not_recorded(evidence)
    beyond = share_beyond(first.shares, tokens)
    known = ~np.isnan(beyond)
    if not known.any():
        return _SUBJECT.judged("undetermined", 0.0, "No prompt has a token besides the first.")
    marker = float(np.median(beyond[known]))
    weight = max(0.0, marker) / at.FIRST_TOKEN
    rows = _rows(evidence, first, tokens, marker)
    if not first.shares.any():
        why = (
            "the tokenizer puts a special token before the text"
            if evidence.first_tokens.pooling == "mean"
            else f"the run pools by {pooling_title(evidence.first_tokens.pooling)}"
        )
        return _SUBJECT.judged("ruled out", 0.0, f"The first token is left out: {why}.", rows)
    summary = (
        f"The first token holds {np.median(first.shares[known]):.0%} of a prompt's pooled squared "
        f"length, where {np.median(1 / tokens[known]):.0%} would be an ordinary token's."
    )
    if weight < 1:
        return _SUBJECT.judged("ruled out", weight, summary, rows)
    if evidence.massive:
        summary += " The vector's massive coordinate may be the first token's."
    fix = Fix(
        f"Extract again, pooled by the {pooling_title(REST)}",
        None,
        None,
        Estimate.undefined(evidence.n, "measure it by extracting again"),
        REST,
    )
    return _SUBJECT.judged(
        verdict_by_gain(weight, evidence.trial(PROXIES).gain, evidence.level),
        weight,
        summary,
        rows,
        fix,
    )


def _rows(
    evidence: CellEvidence, first: FirstTokens, tokens: Floats, marker: float
) -> tuple[Row, ...]:
    norms = np.sqrt(np.diag(evidence.gram))
    n = len(norms)
    rows = [
        Row(
            "first token's share beyond an ordinary token's, median over prompts",
            Estimate.exact(marker, n),
            note=f"healthy cells stay below {at.FIRST_TOKEN:.0%}",
        ),
        Row(
            "first token's norm over that of the other tokens' mean, median over prompts",
            _norm_ratio(first, tokens, norms),
        ),
        Row(
            "r of prompt norm with 1 / tokens, over prompts",
            pearson(Cases.independent(norms, 1 / tokens)),
            note="near 1 where a constant first token makes up the mean",
        ),
    ]
    share = evidence.first_tokens.response_share
    if share:
        rows.append(
            Row(
                "first token's share, median over responses",
                Estimate.exact(share, evidence.n),
                note="responses without a conversation are read as plain text too",
            )
        )
    return (*rows, *(gain_row(evidence, method) for method in PROXIES))


def _norm_ratio(first: FirstTokens, tokens: Floats, norms: Floats) -> Estimate:
    """||x_0|| / ||mean of the others||, by ||p - w x_0||^2 = ||p||^2 (1 - 2 share) + w^2 ||x_0||^2
    with the weight w of x_0, 1/m where it is in the mean and 0 where not."""
    weight = np.where(first.shares == 0, 0.0, 1 / tokens)
    square = np.square(norms) * (1 - 2 * first.shares) + np.square(weight * first.norms)
    usable = (weight < 1) & (square > 0)
    if not usable.any():
        return Estimate.undefined(len(norms), "no prompt has a token besides the first")
    others = np.sqrt(square[usable]) / (1 - weight[usable])
    return Estimate.exact(float(np.median(first.norms[usable] / others)), len(norms))


def _not_recorded(evidence: CellEvidence) -> Judgement:
    pooling = evidence.first_tokens.pooling
    if pooling != "mean":
        title = pooling_title(pooling)
        return _SUBJECT.judged(
            "ruled out", 0.0, f"The first token is left out: the run pools by {title}."
        )
    return _SUBJECT.judged(
        "undetermined",
        0.0,
        "The first token was not recorded: the run is simulated or imported, or was extracted by "
        "an older version.",
    )


RULE = Rule(CAUSE, TITLE, judge, by_gain=True)
