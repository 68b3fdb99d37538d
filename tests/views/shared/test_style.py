"""Texts in charts are escaped and wrapped."""

from __future__ import annotations

from backend.views.shared.style import trait_label, wrapped


def test_texts_in_hovers_are_escaped_and_wrapped():
    assert "<b>" not in wrapped("<b>x</b>") and "&lt;b&gt;" in wrapped("<b>x</b>")
    assert wrapped("word " * 40).count("<br>") >= 3
    assert trait_label("empathetic_responsiveness") == "empathetic<br>responsiveness"
