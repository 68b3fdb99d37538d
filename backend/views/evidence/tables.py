"""A conversation as HTML in which every text is text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from backend.turns import turn_title
from backend.views.evidence.compute import ReadTurn
from backend.views.evidence.words import number
from backend.views.shared.chat import chat_html

STYLE = """<style>
.talk { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 12px; }
.talk > section { border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  border-radius: 6px; padding: 8px 12px; font-size: 0.9rem; line-height: 1.45; min-width: 0; }
.talk p { white-space: pre-wrap; font-size: 0.9rem; overflow-wrap: anywhere; margin: 4px 0 8px; }
.talk h6 { font-size: 0.9rem; font-weight: 600; margin: 0 0 4px; padding: 0; }
.talk summary { cursor: pointer; opacity: 0.8; }
.talk small { opacity: 0.75; }
</style>"""


def conversation_html(turns: Sequence[ReadTurn]) -> str:
    """The turns side by side: score, projection, the chat before and the response.

    Args:
        turns: of one case.
    """
    return f'{STYLE}<div class="talk" aria-label="Conversation">{"".join(map(_turn, turns))}</div>'


def _turn(turn: ReadTurn) -> str:
    return (
        f"<section><h6>{turn_title(turn.turn)} · score {turn.score:g} · projection "
        f"{number(turn.projection)}</h6>{chat_html(turn.messages)}<p>{html.escape(turn.text)}</p></section>"
    )
