"""A draft as rows."""

from __future__ import annotations

from backend.turns import turn_title
from backend.types import Message, Study


def prompt_rows(study: Study) -> list[dict[str, str]]:
    """One row a prompt: trait, pole, pair, what the user says, and the prompt's text.

    Args:
        study: a draft's.
    """
    return [
        {
            "trait": prompt.trait,
            "pole": prompt.pole,
            "pair": prompt.pair or "",
            "question": _said(prompt.messages),
            "text": prompt.text,
        }
        for prompt in study.prompts
    ]


def response_rows(study: Study) -> list[dict[str, str]]:
    """One row a response: scenario, turn, system message, what the user says, and its text.

    Args:
        study: a draft's.
    """
    return [
        {
            "scenario": response.scenario,
            "turn": turn_title(response.turn),
            "responder": response.responder,
            "system message": next(
                (m.content for m in response.messages if m.role == "system"), ""
            ),
            "question": _said(response.messages),
            "text": response.text,
        }
        for response in study.responses
    ]


def _said(messages: tuple[Message, ...]) -> str:
    """The user's last message."""
    return next((m.content for m in reversed(messages) if m.role == "user"), "")
