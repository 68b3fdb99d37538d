"""The chat before a text as HTML in which every text is text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from backend.types import Message


def chat_html(messages: Sequence[Message]) -> str:
    """A chat, folded; empty without messages.

    Args:
        messages: in their order.
    """
    if not messages:
        return ""
    said = "".join(
        f"<small>{html.escape(message.role)}</small><p>{html.escape(message.content)}</p>"
        for message in messages
    )
    return f"<details><summary>The chat before it</summary>{said}</details>"
