"""Studies with one title are told apart."""

from __future__ import annotations

from backend.store.study import StudySummary
from backend.views.shared.study_names import study_names


def summary(key, title="Kindness"):
    return StudySummary(key, title, "", "drift", {}, ("default",), 4, 8)


def test_only_studies_with_one_title_are_told_apart_by_what_they_do_not_share():
    alone = summary("b@1234abcd", "Other")
    assert study_names([summary("a@1234abcd"), alone]) == {
        "a@1234abcd": "Kindness",
        "b@1234abcd": "Other",
    }
    revised = [summary("a@1234abcd"), summary("a@1234abff"), summary("a@99990000")]
    assert list(study_names(revised).values()) == [
        "revision 1234abc · Kindness",
        "revision 1234abf · Kindness",
        "revision 9999000 · Kindness",
    ]
    named = [summary("a@1234abcd"), summary("b@1234abcd"), summary("b@99990000")]
    assert list(study_names(named).values()) == [
        "a · Kindness",
        "b · revision 1234 · Kindness",
        "b · revision 9999 · Kindness",
    ]
