"""Text inside Markdown: what is left of its signs."""

from __future__ import annotations

import pytest

from pages.shared.plain import as_text


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain words 12", "plain words 12"),
        ("**b**", r"\*\*b\*\*"),
        ("![i](x)", r"\!\[i\]\(x\)"),
        ("<img src=x>", r"\<img src\=x\>"),
        ("$x$ `c` # h", r"\$x\$ \`c\` \# h"),
        ("  a\n\n  b\t\nc ", "a  \nb  \nc"),
        ("http://a.b", "http\u2060\\:\u2060\\/\\/a\\.b"),
        (":smile: a: b", "\\:\u2060smile\\: a\\: b"),
        ("www.a.b", "www\u2060\\.a\\.b"),
        ("a@b.c", "a\\@\u2060b\\.c"),
    ],
)
def test_no_sign_is_left_that_means_something(text, shown):
    assert as_text(text) == shown
