"""Diagnosis gives the command for prompts in other words where a cause lies in the wording."""

from __future__ import annotations

from backend.views.diagnosis import words
from tests.support.pages import opened
from tests.support.runs import publish_run
from tests.support.studies import reworded


def test_the_command_names_study_and_run(store, tiny_llama):
    ref = publish_run(store, reworded(), tiny_llama, "run-1")
    app = opened("pages/diagnosis.py", trait="warmth", layer="2", diagnosis_view="undetermined")
    command = f"python -m backend add-prompts {ref.key} --like run-1 --endpoint URL --model MODEL"
    assert command in [code.value for code in app.code]
    assert words.OTHER_WORDING in [caption.value for caption in app.caption]
    other = opened("pages/diagnosis.py", trait="warmth", layer="2", diagnosis_view="ruled out")
    assert command not in [code.value for code in other.code]
