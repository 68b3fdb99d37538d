"""Text of studies, files and errors inside Markdown: shown letter by letter, never as markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_SIGNS = re.compile(r"([!-/:-@\[-`{-~])")
_BREAK = re.compile(r"[ \t]*\n[ \t\n]*")
# What is made a link, an emoji or an icon after the Markdown has been read, where a backslash is
# gone already.
_LATER = re.compile(r"(?i)(https?|www|@|:(?=[a-z+_/-]))")
# Joins words and has no width.
_JOINER = "\u2060"


def as_text(text: str) -> str:
    """A text to be put into any Markdown of a page: a title, caption, label, help or error.

    Nothing in it is an image, a link, a heading, code, a formula, an icon or a colour. Line breaks
    stay. In addresses and before the name of an emoji stands a sign that cannot be seen.

    Args:
        text: of a study, a file, a name or an error.
    """
    joined = _LATER.sub(lambda found: found[0] + _JOINER, text.strip())
    return _BREAK.sub("  \n", _SIGNS.sub(r"\\\1", joined))


def as_table(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows of text for ``st.table``, which reads Markdown in its cells.

    Args:
        rows: column -> text, the columns alike in all rows.
    """
    return [{column: as_text(text) for column, text in row.items()} for row in rows]
