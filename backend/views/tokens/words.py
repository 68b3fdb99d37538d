"""What is said beside tokens and their contributions."""

from __future__ import annotations

from backend.runs.directions import DirectionKey
from backend.runs.token_view import TokenText, TokenView
from backend.runs.vocabulary import DRAWS, Vocabulary
from backend.store.run_values import RunSummary
from backend.store.study import ResponsePlace
from backend.turns import turn_title
from backend.views.tokens.compute import Of, Role, Shares, VectorCases
from backend.views.tokens.says import EndResponses, Neighbours

OF: dict[Of, str] = {
    "projection": "projection",
    "r": "its term of r",
    "residual": "its residual",
}
UNITS: dict[Of, str] = {
    "projection": "activation units",
    "r": "of r",
    "residual": "score units",
}
DEFINED: dict[Of, str] = {
    "projection": (
        "A token contributes (p - m) / n to the response's projection: p is its own projection, m "
        "the mean projection of the run's responses and n the number of pooled tokens. All "
        "contributions sum to the response's projection less m."
    ),
    "r": (
        "The case's term of r is x y / sqrt(sum x² sum y²), with x and y less their means within "
        "the responder; all terms sum to r. A token contributes its part of x times the same."
    ),
    "residual": (
        "The residual is the score less the regression line. A token contributes its part of x "
        "times minus the slope; the score itself, which no token explains, is the rest."
    ),
}
NOT_HELD_OUT = (
    "This vector was fitted to scored responses, these among them, so its r here is not held out "
    "and is too high."
)
# Differences beyond this share of the run's deviation are more than the rounding of float32.
ROUNDING = 1e-3


def agreement(view: TokenView) -> str:
    """Whether the tokens give the run's own projections.

    Args:
        view: of some responses.
    """
    known = [float(d) for d in view.differences.ravel() if d == d]
    if not known:
        return ""
    largest = max(known)
    share = f"{largest:.1g} of the run's standard deviation at most"
    if largest > ROUNDING:
        return (
            f"The mean over the pooled tokens differs from the projection that the run holds, by "
            f"{share}. Another device or number type than the run's can do that; here it was "
            f"{view.device}, {view.dtype}."
        )
    return (
        "The mean over the pooled tokens is the projection that the run holds (difference "
        f"{share})."
    )


def response_title(text: TokenText | ResponsePlace) -> str:
    """Which response: its scenario, responder and turn."""
    if text.turn is None:
        return f"{text.scenario}, {text.responder}"
    title = turn_title(text.turn)
    return f"{text.scenario}, {text.responder}, {title[0].lower()}{title[1:]}"


def projection_line(view: TokenView, text: TokenText, vector: int, layer: int) -> str:
    """A response's pooled projection beside those of all responses.

    Args:
        view: of the run.
        text: one of its texts.
        vector: place of the vector.
        layer: one of the layers.
    """
    column = view.request.layers.index(layer)
    here = float(text.projections[vector, column])
    if here != here:
        return f"undefined: {view.reasons[vector, layer]}"
    mean, deviation = float(view.means[vector, column]), float(view.deviations[vector, column])
    far = f", {(here - mean) / deviation:+.2f} standard deviations" if deviation > 0 else ""
    return (
        f"projection {here:+.4g}; the run's {view.responses} responses have {mean:+.4g} on "
        f"average{far}"
    )


def role_line(cases: VectorCases, role: Role | str) -> str:
    """What a response does to r.

    Args:
        cases: of the vector.
        role: of the response.
    """
    if isinstance(role, str):
        return f"It has no part in r: {role}."
    assert cases.r.value is not None or role.term is None
    turn = "last or only" if role.sign > 0 else "first"
    term = (
        f"r is undefined: {cases.r.reason}"
        if role.term is None
        else f"its case adds {role.term:+.4f} to r = {cases.r.value:+.3f}"
    )
    return (
        f"As the {turn} turn of its case: {term}; residual {role.residual:+.3f} score units, "
        f"slope {role.slope:+.3g}."
    )


def sum_line(found: Shares) -> str:
    """What the contributions sum to, and what is left.

    Args:
        found: of one response.
    """
    own = found.total - found.rest
    if found.of == "projection":
        return f"The contributions sum to {own:+.4g}."
    rest = (
        "the other turn of the case"
        if found.of == "r"
        else "the score and the other turn of the case"
    )
    return f"These tokens sum to {own:+.4g} of {found.total:+.4g}; the rest is of {rest}."


def caveat(key: DirectionKey) -> str:
    """What is to be known of a vector's r here; empty where nothing is."""
    return NOT_HELD_OUT if key.fitted else ""


LENS = (
    "Each token's row of the unembedding, with the scale of the final norm folded in, times the "
    "vector of length 1: by how much the token's logit rises when the last residual stream moves "
    "by 1 along the vector, at a root mean square of 1. z is the same in standard deviations over "
    "the vocabulary."
)
LENS_CAVEAT = (
    "Take this as a hint, not as the vector's meaning. The unembedding belongs to the last layer; "
    "vectors of early layers are read by later blocks first, so their tokens say less (Billa 2026, "
    "arXiv 2604.15557, with counter-evidence in 2604.02608). Readable tokens are no evidence that "
    "the vector causes behaviour, and unreadable ones none against it."
)


def lens_chance(found: Vocabulary) -> str:
    """How far the nearest token of any direction is.

    Args:
        found: the tokens nearest to a vector.
    """
    norm = f"scale of the {found.norm} folded in" if found.norm else "no final norm"
    head = "tied to the embedding" if found.tied else "a matrix of its own"
    beyond = [
        str(layer.layer)
        for layer in found.layers
        if max(layer.top[0].z, -layer.bottom[0].z) > found.chance
    ]
    where = (
        f"The vector is beyond that at layer {', '.join(beyond)}, {len(beyond)} of "
        f"{len(found.layers)} layers; a random direction is at one in twenty."
        if beyond
        else "The vector is beyond that at no layer."
    )
    return (
        f"Of {DRAWS} random directions, 95% have no token beyond |z| = {found.chance:.2f} among "
        f"the {found.tokens:,} of the vocabulary. {where} Head: {head}; {norm}."
    )


def neighbours_line(found: Neighbours) -> str:
    """What the cosines can be compared with.

    Args:
        found: the nearest vectors.
    """
    if found.reason is not None:
        return f"There is no vector to compare: {found.reason}."
    return (
        f"The {len(found.found)} nearest of {found.compared} other vectors at this layer. Of two "
        f"random directions, 95% have a cosine within ±{found.chance:.3f}."
    )


def ends_line(found: EndResponses) -> str:
    """Which responses are shown.

    Args:
        found: the responses at both ends.
    """
    if found.reason is not None:
        return f"There are no responses to show: {found.reason}."
    return (
        f"The {len(found.top)} responses with the largest and the {len(found.bottom)} with the "
        f"smallest projections, of {found.count}."
    )


ASK_TOKENS = (
    "The worker has the run's model read this conversation again, and projects every token on the "
    "vector. It takes some seconds, most of them to load the model. Nothing is kept in the run; "
    "the newest hundred results stay in the queue."
)
ASK_VOCABULARY = (
    "The worker reads the model's unembedding, and no more of it, and multiplies it with the "
    "vector of every layer."
)
SPANS = (
    "Spans are at most 12 tokens long and do not overlap others of their list; one that lowers may "
    "lie within one that raises."
)
VELOCITY = "Velocity is the change of the projection from one turn to the next, a turn a step."
LAYERS = (
    "Every column is a token of the response, every row a layer. Colours are projections less the "
    "mean of the run's responses at that layer, in their standard deviations; a single token "
    "varies more than a mean over tokens, so far ends are common."
)
LINES = (
    "Projections less the mean of the run's responses at this layer, in their standard deviations, "
    "so that two vectors can be compared."
)


def no_model(run: RunSummary) -> str:
    """Why a run has no tokens.

    Args:
        run: that no model read here.
    """
    why = (
        "its activations were simulated, and no model read its texts"
        if run.simulated
        else "its activations were taken elsewhere and imported"
    )
    return (
        f"This run has no tokens: {why}. Choose a run of a real model in the sidebar, or extract "
        "one on the Runs page."
    )
