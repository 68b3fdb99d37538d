"""Kept dose-responses: the same when read, and damage is named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from backend.errors import ReadOnly, StoreError
from backend.settings import Settings
from backend.store.dose import delete_dose, dose_list, publish_dose
from tests.support.doses import dose_record


def test_what_is_kept_is_read_again(settings):
    made = dose_record()
    publish_dose(settings, made)
    (found,) = dose_list(settings).doses
    assert dataclasses.replace(found, measures={}).__dict__ == (
        dataclasses.replace(made, measures={}).__dict__
    )
    for name, (own, controls) in made.measures.items():
        np.testing.assert_array_equal(found.measures[name][0], own)
        np.testing.assert_array_equal(found.measures[name][1], controls)
    assert found.dose("reading").groups.tolist() == [0, 0]
    assert found.dose("propensity").values.shape == (1, 3)
    assert not list(settings.work.glob("dose-*"))
    delete_dose(settings, made.name)
    assert dose_list(settings).doses == ()
    with pytest.raises(StoreError, match="No dose-response"):
        delete_dose(settings, made.name)


def test_none_of_either_kind_is_read_again(settings):
    made = dose_record(
        directions=0, pairs=(), measures={"reading": (np.ones((2, 3)), np.zeros((0, 2, 3)))}
    )
    publish_dose(settings, made)
    (found,) = dose_list(settings).doses
    assert found.dose("reading").controls.shape == (0, 2, 3)


DAMAGES = {
    "no JSON": lambda values: "{",
    "no object": lambda values: "[]",
    "another version": lambda values: values | {"version": 9},
    "a key is missing": lambda values: {k: v for k, v in values.items() if k != "items"},
    "another shape": lambda values: values | {"measures": {"reading": [[[1.0]], [[[1.0]]]]}},
    "a word": lambda values: values | {"measures": {"reading": [[["x"]], []]}},
    "strengths": lambda values: values | {"strengths": [1.0, 2.0, 3.0]},
    "a field": lambda values: values | {"steered": values["steered"] | {"layer": "4"}},
    "an unknown unit": lambda values: values | {"steered": values["steered"] | {"unit": "miles"}},
    "no behaviour": lambda values: values | {"measures": {"nll": values["measures"]["reading"]}},
    "too few answers": lambda values: values | {"answers": values["answers"][:1]},
    "an item": lambda values: values | {"items": [1]},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_hides_no_other(settings, damage):
    publish_dose(settings, dose_record())
    made = dose_record()
    publish_dose(settings, made)
    path = settings.doses / f"{made.name}.json"
    changed = DAMAGES[damage](json.loads(path.read_text()))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    found = dose_list(settings)
    assert len(found.doses) == 1 and "cannot be read" in found.broken[path.name]


def test_a_read_only_store_keeps_nothing(settings):
    with pytest.raises(ReadOnly):
        publish_dose(Settings(cache=settings.cache, read_only=True), dose_record())
    assert not settings.doses.exists() or not list(settings.doses.iterdir())
