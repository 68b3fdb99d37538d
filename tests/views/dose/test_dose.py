"""What is computed, said and drawn of a dose-response."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.dose import steerability
from backend.store.dose import Item, publish_dose
from backend.views.dose import words
from backend.views.dose.compute import dose_result, dose_results
from backend.views.dose.figures import dose_figure, layers_figure, slopes_figure
from backend.views.dose.tables import answer_rows, change_rows, measure_rows
from tests.support.doses import dose_record

STRENGTHS = (-1.0, 0.0, 1.0, 2.0)


def planted(slope=0.8, nll=(0.1, 0.0, 0.2, 3.0), layer=4, directions=5):
    """Ten pairs and questions; coherence falls at the largest strength."""
    rng = np.random.default_rng(1)
    x = np.array(STRENGTHS)
    values = (slope + rng.normal(0, 0.3, (10, 1))) * x
    values[0] = -0.2 * x
    controls = rng.normal(0, 0.05, (directions, 10, 4))
    controls[:, :, 1] = values[:, 1]
    losses = 2.0 + np.array(nll) + rng.normal(0, 0.1, (10, 4))
    items = tuple(Item(f"s{n}", f"s{n}", f"<b>question {n}</b>") for n in range(10))
    made = dose_record()
    return dataclasses.replace(
        made,
        steered=dataclasses.replace(made.steered, layer=layer),
        strengths=STRENGTHS,
        directions=directions,
        items=items,
        pairs=items,
        measures={
            "nll": (losses, np.tile(losses, (directions, 1, 1))),
            "propensity": (values, controls),
        },
        answers=tuple((f"a{n}", "plain", "b", "<script>") for n in range(10)),
    )


def test_behaviour_comes_first_and_coherence_is_told():
    result = dose_result(planted())
    assert [one.measure.name for one in result.measures] == ["propensity", "nll"]
    assert result.behaviour.steerability == steerability(result.record.dose("propensity"))
    assert result.lost == (None, 2.0)
    assert words.answer(result).startswith("Steers: the propensity changes by +0.")
    assert "per distance between the poles; one more random direction" in words.answer(result)
    assert words.wrong_way(result.behaviour.steerability).startswith("10% [2%, 40%] of 10 items")
    assert words.coherence(result).startswith("Coherence is lost from +2 on")
    flat = dose_result(planted(slope=0.0, nll=(0, 0, 0, 0)))
    assert words.coherence(flat).startswith("Coherence holds at every strength")
    assert not words.answer(flat).startswith("Steers")
    few = dose_result(planted(directions=2))
    assert words.answer(few).startswith("Not clear whether it steers")
    assert "an unknown amount (a band needs at least 4 random directions" in words.answer(few)


def test_how_it_was_measured_is_said():
    said = words.how(dose_result(planted()))
    assert said.startswith("10 questions; 10 pairs; 5 random directions; answers of up to 16")
    assert "1 unit of strength is 2.5 in activations" in said
    made = planted()
    steered = dataclasses.replace(made.steered, residual_norm=25.0, judge="j")
    said = words.how(dose_result(dataclasses.replace(made, steered=steered)))
    assert "10% of the mean residual norm; scored by j" in said


def test_charts_hold_every_number_and_no_markup():
    result = dose_result(planted())
    found = result.behaviour
    figure = dose_figure(result, found)
    line = figure.data[1]
    assert list(line.x) == list(STRENGTHS)
    assert list(line.y) == pytest.approx([one.change.value for one in found.changes])
    ends = np.array(line.y) + np.array(line.error_y.array)
    assert ends == pytest.approx([one.change.high for one in found.changes])
    assert "distances between the poles" in figure.layout.xaxis.title.text
    assert figure.layout.annotations[0].text == "coherence lost"
    slopes = slopes_figure(result, found)
    right, wrong = slopes.data
    assert len(right.x) == 9 and list(wrong.x) == pytest.approx([-0.2])
    assert sorted([*right.x, *wrong.x]) == pytest.approx(sorted(found.steerability.slopes))
    assert all("<b>question" not in text for text in [*right.customdata, *wrong.customdata])
    layers = [dose_result(planted(layer=layer)) for layer in (7, 5)]
    drawn = layers_figure(layers)
    assert list(drawn.data[1].x) == [5, 7]


def test_tables_have_a_row_each():
    result = dose_result(planted())
    rows = change_rows(result.behaviour)
    assert [row["strength"] for row in rows] == ["-1", "+0", "+1", "+2"]
    assert [row["measure"] for row in measure_rows(result)] == ["Propensity", "Log perplexity"]
    answers = answer_rows(result)
    assert len(answers) == 10 and answers[0]["unsteered"] == "plain" and answers[0]["-1"] == "a0"


def test_the_newest_of_each_layer_is_compared(settings):
    for number, layer in enumerate((4, 5, 4)):
        publish_dose(
            settings, dataclasses.replace(planted(layer=layer), created_at=f"2026-01-0{number + 1}")
        )
    publish_dose(settings, dataclasses.replace(dose_record(), created_at="2026-02-01"))
    found = dose_results(settings, "run-1", "warmth")
    assert len(found) == 4 and dose_results(settings, "run-1", "haste") == ()
    assert dose_results(settings, "run-1", "warmth")[1] is found[1]
    alike = words.newest_by_layer(found[1:], found[1])
    assert [one.record.steered.layer for one in alike] == [4, 5]
    assert alike[0].record.created_at == "2026-01-03"
