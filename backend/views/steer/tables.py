"""The tokens of a turn as a table."""

from __future__ import annotations

from backend.steering.answer import Turn


def token_rows(turn: Turn) -> list[dict[str, str | int | float]]:
    """A row for each token: variant, place, text, and projection before and after.

    Args:
        turn: of the chat.
    """
    return [
        {
            "variant": answer.name,
            "token": place,
            "text": token.text,
            "before": round(token.before, 4),
            "after": round(token.after, 4),
        }
        for answer in turn.answers
        for place, token in enumerate(answer.tokens, 1)
    ]
