"""Prompts to drop and to edit, and how a link carries them."""

from __future__ import annotations

import pytest

from backend.errors import SteerscopeError
from backend.views.prompts.basket import LONGEST_LINK, Basket, basket_from_link


def test_a_prompt_is_dropped_or_edited_and_restored():
    basket = Basket().drop(3, 7).edit(7, " new\ntext ", "old")
    assert basket == Basket(frozenset({3}), ((7, "new\ntext"),))
    assert basket.summary == "1 dropped, 1 edited"
    assert basket.drop(7) == Basket(frozenset({3, 7}))
    assert basket.restore(3).restore(7) == Basket() and not Basket()
    assert basket.edit(7, "old", "old") == Basket(frozenset({3}))
    assert basket.edit(7, "  ", "old") == Basket(frozenset({3, 7}))


def test_a_link_carries_it_to_the_same_study_only():
    basket = Basket(frozenset({3, 1}), ((7, 'a "quote" & <b>é</b>\n'),))
    link = basket.to_link("study@abc")
    assert basket_from_link(link, "study@abc") == basket
    assert basket_from_link(link, "study@def") == Basket()


def test_a_link_has_a_bound():
    assert Basket(edited=((1, "x" * LONGEST_LINK),)).to_link("study@abc") is None
    with pytest.raises(SteerscopeError, match="cannot be read"):
        basket_from_link(" " * (LONGEST_LINK + 1), "study@abc")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"study": "s"}',
        '{"study": "s", "dropped": 3}',
        '{"study": "s", "dropped": ["x"]}',
        '{"study": "s", "dropped": [], "edited": []}',
        '{"study": "s", "dropped": [], "edited": {"x": "y"}}',
        "[" * 5000,
    ],
)
def test_what_is_no_basket_is_said(text):
    with pytest.raises(SteerscopeError, match="cannot be read"):
        basket_from_link(text, "s")
