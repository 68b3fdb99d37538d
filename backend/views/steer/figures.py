"""Answers as tokens coloured by their projection."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from backend.steering.answer import SpokenToken, Turn, VariantAnswer
from backend.steering.units import Units
from backend.views.shared.style import DIVERGING, diverging, ink_on

# What tokens are coloured by: the projection before or after the intervention.
SHOWN = {"before": "the text alone", "after": "with steering"}


@dataclass(frozen=True)
class Colours:
    """What colours mean, in units of activations.

    Attributes:
        centre: grey.
        reach: the ends of the scale are centre - reach and centre + reach; above 0.
        low: mean projection of the low prompts; None where undefined.
        high: of the high prompts.
        beyond: "above" or "below" where every token lies there of both poles' means, so that only
            the tokens can be compared with one another; else empty.
    """

    centre: float
    reach: float
    low: float | None
    high: float | None
    beyond: str = ""


def colours_of(turns: Sequence[Turn], units: Units, shown: str) -> Colours:
    """The scale that shows all tokens of a chat.

    Args:
        turns: of the chat.
        units: whose poles' midpoint is grey; the middle of all tokens where they are undefined, or
            where all tokens lie on one side of both.
        shown: of :data:`SHOWN`.
    """
    values = [
        value_of(token, shown) for turn in turns for one in turn.answers for token in one.tokens
    ]
    low, high = units.low.value, units.high.value
    beyond = ""
    if low is not None and high is not None and values:
        above, below = min(values) > max(low, high), max(values) < min(low, high)
        beyond = "above" if above else "below" if below else ""
    if low is not None and high is not None and not beyond:
        centre = (low + high) / 2
    else:
        centre = (min(values) + max(values)) / 2 if values else 0.0
    reach = max([abs(value - centre) for value in values], default=0.0)
    return Colours(centre, reach or 1.0, low, high, beyond)


def value_of(token: SpokenToken, shown: str) -> float:
    """What a token is coloured by. Args: token; shown: of :data:`SHOWN`."""
    return token.after if shown == "after" else token.before


def tokens_html(answer: VariantAnswer, colours: Colours, shown: str) -> str:
    """An answer as HTML; nothing in its text is markup.

    Args:
        answer: of one variant.
        colours: of the chat.
        shown: of :data:`SHOWN`.
    """
    spans = [_span(token, colours, value_of(token, shown)) for token in answer.tokens]
    return (
        "<div style='white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.75'>"
        f"{''.join(spans)}</div>"
    )


def legend_html(colours: Colours) -> str:
    """The scale of the colours, with its numbers. Args: colours: of the chat."""
    stops = ",".join(f"{colour} {place:.0%}" for place, colour in DIVERGING)
    ends = (colours.centre - colours.reach, colours.centre, colours.centre + colours.reach)
    numbers = "".join(f"<span>{end:.3g}</span>" for end in ends)
    poles = ""
    if colours.low is not None and colours.high is not None and colours.beyond:
        poles = (
            f"<div>Every token lies {colours.beyond} the means of both the low prompts "
            f"({colours.low:.3g}) and the high prompts ({colours.high:.3g}), so colours compare "
            "the tokens with one another only. A first token with a huge activation does that to a "
            "mean; pooling without the first token leaves it out.</div>"
        )
    elif colours.low is not None and colours.high is not None:
        poles = (
            "<div><span style='text-decoration:underline dotted'>dotted</span>: below the mean of "
            f"the low prompts ({colours.low:.3g}); "
            "<span style='text-decoration:underline'>underlined</span>: above the mean of the "
            f"high prompts ({colours.high:.3g})</div>"
        )
    return (
        "<div style='font-size:0.8rem;max-width:34rem' role='note' "
        "aria-label='Colours: projection on the vector, in units of activations'>"
        "<div>projection on v̂, units of activations</div>"
        f"<div style='height:0.6rem;background:linear-gradient(to right,{stops})'></div>"
        f"<div style='display:flex;justify-content:space-between'>{numbers}</div>{poles}</div>"
    )


def text_html(text: str) -> str:
    """A text as HTML, letter by letter. Args: text: of a user."""
    return f"<div style='white-space:pre-wrap;overflow-wrap:anywhere'>{html.escape(text)}</div>"


def _span(token: SpokenToken, colours: Colours, value: float) -> str:
    if not token.text:
        return ""
    colour = diverging((value - colours.centre) / colours.reach)
    line = ""
    if colours.beyond:
        line = ""  # the same one under every token says nothing
    elif colours.high is not None and value > colours.high:
        line = ";text-decoration:underline"
    elif colours.low is not None and value < colours.low:
        line = ";text-decoration:underline dotted"
    style = f"background:{colour};color:{ink_on(colour)}{line}"
    title = f"before {token.before:.4g}, after {token.after:.4g}"
    return f"<span style='{style}' title='{title}'>{html.escape(token.text)}</span>"
