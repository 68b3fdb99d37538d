"""Tokens, spans and turns as rows."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.token_view import TokenText, TokenView
from backend.runs.vocabulary import LayerWords, NearToken
from backend.turns import turn_title
from backend.views.tokens.compute import Shares, TokenTurn
from backend.views.tokens.says import EndResponse, NeighbourVector

# What is shown for white space that would not be seen.
_SHOWN = {"\n": "⏎", "\t": "⇥", "\r": "␍"}


def visible(token: str) -> str:
    """A token with its line breaks and tabs as signs.

    Args:
        token: what it stands for.
    """
    return "".join(_SHOWN.get(letter, letter) for letter in token)


def kind_of(text: TokenText, place: int) -> str:
    """What a token is: pooled, of the response but not pooled, special, or of the chat around it.

    Args:
        text: whose token.
        place: of the token.
    """
    if text.pooled[place]:
        return "pooled"
    if text.special[place]:
        return "special"
    return "not pooled" if text.own[place] else "chat"


def token_rows(
    view: TokenView, text: TokenText, layer: int, found: Sequence[Shares | None]
) -> list[dict[str, object]]:
    """One row a token, from where the turn before ends.

    Args:
        view: of the run.
        text: one of its texts.
        layer: one of the layers.
        found: contributions, one a vector; None where there are none.
    """
    column = view.request.layers.index(layer)
    rows: list[dict[str, object]] = []
    for place in range(text.begins, len(text.tokens)):
        row: dict[str, object] = {
            "#": place,
            "token": visible(text.tokens[place]),
            "kind": kind_of(text, place),
        }
        for vector, key in enumerate(view.request.keys):
            value = float(text.values[vector, column, place])
            row[f"projection, {key.title}"] = None if value != value else value
            own = found[vector]
            if own is not None and text.pooled[place]:
                row[f"contribution, {key.title}"] = float(own.values[place])
        row["norm"] = float(text.norms[column, place])
        rows.append(row)
    return rows


def span_rows(found: Shares) -> list[dict[str, object]]:
    """The spans that contribute most, raising ones first.

    Args:
        found: contributions of one response.
    """
    return [
        {
            "": sign,
            "contribution": f"{span.total:+.4g}",
            "tokens": f"{span.start}–{span.stop - 1}",
            "text": visible(span.text),
        }
        for sign, spans in (("▲ raises", found.raising), ("▼ lowers", found.lowering))
        for span in spans
    ]


def step_rows(steps: Sequence[TokenTurn]) -> list[dict[str, object]]:
    """One row a turn: projection and velocity.

    Args:
        steps: of one conversation.
    """
    return [
        {
            "turn": turn_title(step.turn or None),
            "projection": f"{step.projection:+.4g}",
            "velocity since the turn before": (
                "–" if step.velocity is None else f"{step.velocity:+.4g}"
            ),
        }
        for step in steps
    ]


def near_rows(layer: LayerWords) -> list[dict[str, object]]:
    """The nearest tokens of one layer, both ends side by side.

    Args:
        layer: of a vector.
    """

    def cells(end: str, token: NearToken) -> dict[str, object]:
        return {
            end: visible(token.text) or f"(token {token.token_id})",
            f"z, {end}": f"{token.z:+.2f}",
            f"product, {end}": f"{token.product:+.4g}",
        }

    return [
        cells("raised", top) | cells("lowered", bottom)
        for top, bottom in zip(layer.top, layer.bottom, strict=True)
    ]


def neighbour_rows(found: Sequence[NeighbourVector]) -> list[dict[str, object]]:
    """One row a vector: its name and cosine.

    Args:
        found: the nearest vectors.
    """
    return [{"vector": one.key.title, "cosine": f"{one.cosine:+.3f}"} for one in found]


def end_rows(found: Sequence[EndResponse]) -> list[dict[str, object]]:
    """One row a response: projection, score, which, and its beginning.

    Args:
        found: of one end.
    """
    return [
        {
            "projection": f"{one.projection:+.4g}",
            "score": "–" if one.response.score is None else f"{one.response.score:g}",
            "scenario": one.response.scenario,
            "turn": one.response.turn or "–",
            "responder": one.response.responder,
            "text": one.response.text + (" …" if one.response.cut else ""),
        }
        for one in found
    ]
