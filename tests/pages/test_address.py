"""Choices that live in the address."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def chooser(count: int) -> None:
    import streamlit as st

    from pages.shared.address import several

    options = [f"run-{number}" for number in range(count)]
    names = {option: f"*{option}*" for option in options}
    chosen = several("Runs shown", options, "runs", names, options[-2:])
    st.text(f"chosen: {','.join(chosen)}")


def test_more_choices_than_fit_as_buttons_are_a_box_to_search_in():
    few = AppTest.from_function(chooser, args=(12,)).run()
    many = AppTest.from_function(chooser, args=(13,)).run()
    assert len(few.button_group) == 1 and not few.multiselect
    assert not many.button_group and many.multiselect[0].label == "Runs shown"
    assert many.text[0].value == "chosen: run-11,run-12"
    many.multiselect[0].unselect("run-12").run()
    assert many.text[0].value == "chosen: run-11"
    assert many.query_params["runs"] in ("run-11", ["run-11"])
