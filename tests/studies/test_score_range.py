"""The range of the scores, where a study says it and where it does not."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.studies.faults import FaultList
from backend.studies.importer import read_study
from tests.support.studies import small_study
from tests.support.study_files import write_study


@pytest.mark.parametrize(
    ("scale", "said", "noted"),
    [(0.1, False, True), (0.5, False, True), (1.0, False, False), (0.1, True, False)],
)
def test_scores_on_a_part_of_a_range_that_nobody_gave_are_noted(tmp_path, scale, said, noted):
    study = small_study()
    responses = [
        dataclasses.replace(one, scores={t: v * scale for t, v in one.scores.items()})
        for one in study.responses
    ]
    folder = write_study(tmp_path / "s", dataclasses.replace(study, responses=tuple(responses)))
    if not said:
        metadata = json.loads((folder / "study.json").read_text("utf-8"))
        del metadata["score_range"]
        (folder / "study.json").write_text(json.dumps(metadata), "utf-8")
    faults = FaultList()
    read_study(folder, "s", faults)
    assert bool(faults.notes) == noted
    if noted:
        high = max(score for one in responses for score in one.scores.values())
        assert f"All 48 scores lie between 0 and {high:g}; without" in faults.notes[0].what
        assert "taken to be from 0 to 10" in faults.notes[0].what
