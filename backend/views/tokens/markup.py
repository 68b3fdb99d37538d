"""Responses as tokens on coloured ground, as HTML in which every text is text."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np

from backend.runs.token_view import TokenText, TokenView
from backend.turns import turn_title
from backend.views.shared.style import DIVERGING, diverging, ink_on
from backend.views.tokens.compute import Of, Shares
from backend.views.tokens.tables import kind_of, visible
from backend.views.tokens.words import UNITS

STYLE = f"""<style>
.read {{ display: grid; gap: 12px; }}
.read > section {{ border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  border-radius: 6px; padding: 8px 12px; min-width: 0; }}
.read h6 {{ font-size: 0.9rem; font-weight: 600; margin: 0 0 4px; padding: 0; }}
.read p {{ white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; font-size: 0.95rem;
  margin: 4px 0; }}
.read summary {{ cursor: pointer; opacity: 0.8; font-size: 0.9rem; }}
.read .t {{ padding: 2px 0; border-radius: 2px; }}
.read .other {{ opacity: 0.75; }}
.read .special {{ color: inherit; border: 1px dotted currentColor; padding: 0 3px;
  font-family: monospace; font-size: 0.8em; opacity: 0.75; }}
.read .up {{ border-bottom: 3px solid {DIVERGING[-1][1]}; }}
.read .down {{ border-bottom: 3px dashed {DIVERGING[0][1]}; }}
.read sup {{ font-weight: 600; }}
.scale {{ display: flex; align-items: center; gap: 8px; font-size: 0.85rem; flex-wrap: wrap; }}
.scale i {{ width: 9rem; height: 0.8rem; border-radius: 2px; display: inline-block;
  background: linear-gradient(90deg, {", ".join(str(colour) for _, colour in DIVERGING)}); }}
</style>"""
# Colours reach as far as this share of the pooled tokens: single ones beyond have the end's colour.
_REACH = 0.98


@dataclass(frozen=True)
class ColourScale:
    """What the colours of some tokens mean.

    Attributes:
        of: what is coloured.
        centre: value of the grey in the middle: of projections the mean of the run's responses,
            of contributions 0.
        reach: how far the colours' ends are from it; above 0.
    """

    of: Of
    centre: float
    reach: float

    def colour(self, value: float) -> str:
        """As #RRGGBB."""
        return diverging((value - self.centre) / self.reach)


def scale_of(
    view: TokenView, vector: int, layer: int, found: list[Shares | None], of: Of
) -> ColourScale:
    """One scale for all texts of a view.

    Args:
        view: of the run.
        vector: place of the vector.
        layer: one of the layers.
        found: contributions, one a text; None where there are none.
        of: what is coloured.
    """
    column = view.request.layers.index(layer)
    centre = float(view.means[vector, column]) if of == "projection" else 0.0
    values = [
        (text.values[vector, column] if of == "projection" else own.values)[text.pooled]
        for text, own in zip(view.texts, found, strict=True)
        if own is not None
    ]
    far = np.abs(np.concatenate([np.zeros(1), *values]) - (centre if values else 0.0))
    reach = float(np.quantile(far[1:], _REACH)) if len(far) > 1 else 0.0
    return ColourScale(of, centre, reach or 1.0)


def legend_html(scale: ColourScale) -> str:
    """The colours with their numbers, and what the marks mean.

    Args:
        scale: of the tokens.
    """
    low, high = scale.centre - scale.reach, scale.centre + scale.reach
    middle = "mean of the run's responses" if scale.of == "projection" else "contributes nothing"
    what = "projection" if scale.of == "projection" else "contribution"
    return (
        f'{STYLE}<div class="scale" role="note"><span>{what}, {UNITS[scale.of]}: {low:+.3g} or '
        f"less</span><i></i><span>{high:+.3g} or more; grey: {scale.centre:+.3g}, {middle}."
        "</span><span>▲ and a line: spans that raise most; ▼ and dashes: that lower most. Dotted: "
        "special tokens. Point at a token for its numbers.</span></div>"
    )


def tokens_html(
    view: TokenView, vector: int, layer: int, found: list[Shares | None], scale: ColourScale
) -> str:
    """Every response with its tokens, the chat before it folded.

    Args:
        view: of the run.
        vector: place of the vector.
        layer: one of the layers.
        found: contributions, one a text; None where there are none.
        scale: of the colours.
    """
    column = view.request.layers.index(layer)
    parts = []
    for text, own in zip(view.texts, found, strict=True):
        values = text.values[vector, column]
        start = int(np.flatnonzero(text.own)[0])
        marks = {} if own is None else _marks(own)
        tokens = [
            _token(text, place, float(values[place]), own, scale, marks)
            for place in range(len(text.tokens))
        ]
        chat = "".join(tokens[text.begins : start])
        count = start - text.begins
        before = (
            f"<details><summary>The chat before it, {count} tokens</summary><p>{chat}</p></details>"
            if count > 0
            else ""
        )
        here = float(text.projections[vector, column])
        along = "undefined" if here != here else f"{here:+.4g}"
        parts.append(
            f"<section><h6>{turn_title(text.turn)} · projection {along}</h6>{before}"
            f"<p>{''.join(tokens[start:])}</p></section>"
        )
    return f'<div class="read" aria-label="Tokens">{"".join(parts)}</div>'


def _marks(own: Shares) -> dict[int, tuple[str, str]]:
    """Place of a token -> class of its line, and the mark before it. Of two spans at one token the
    raising one is drawn where the number is raised, and the other where it is lowered."""
    found: dict[int, tuple[str, str]] = {}
    lists = [("up", "▲", own.raising), ("down", "▼", own.lowering)]
    if own.total - own.rest > 0:
        lists.reverse()  # the later ones are drawn over the earlier
    for name, sign, spans in lists:
        for number, span in enumerate(spans, start=1):
            for place in range(span.start, span.stop):
                mark = f"<sup>{sign}{number}</sup>" if place == span.start else ""
                found[place] = name, mark
    return found


def _token(
    text: TokenText,
    place: int,
    value: float,
    own: Shares | None,
    scale: ColourScale,
    marks: dict[int, tuple[str, str]],
) -> str:
    kind = kind_of(text, place)
    shown = html.escape(visible(text.tokens[place]))
    # A line break stays one, after its sign.
    shown = shown.replace("⏎", "⏎\n")
    title = f"{kind}; token {place}"
    if value == value:
        title += f"; projection {value:+.4g}"
    if own is not None and text.pooled[place]:
        title += f"; contribution {own.values[place]:+.4g}"
    escaped = html.escape(title, quote=True)
    if kind == "special":
        return f'<span class="t special" title="{escaped}">{shown}</span>'
    coloured = value if scale.of == "projection" else _of_token(own, text, place)
    ground = ""
    if coloured == coloured:
        fill = scale.colour(coloured)
        ground = f' style="background:{fill};color:{ink_on(fill)}"'
    line, mark = marks.get(place, ("", ""))
    names = " ".join(
        name
        for name in ("t" if ground else "", "" if text.pooled[place] else "other", line)
        if name
    )
    return f'{mark}<span class="{names}" title="{escaped}"{ground}>{shown}</span>'


def _of_token(own: Shares | None, text: TokenText, place: int) -> float:
    """A token's contribution; NaN where it has none."""
    return float(own.values[place]) if own is not None and text.pooled[place] else float("nan")
