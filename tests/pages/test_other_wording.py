"""Diagnosis gives the command for prompts in other words where a cause lies in the wording."""

from __future__ import annotations

import dataclasses

from backend.views.diagnosis import words
from tests.support.pages import opened
from tests.support.runs import publish_run
from tests.support.studies import small_study


def reworded():
    """Prompts whose poles differ in one word of many."""
    study = small_study(scenarios=12)
    rest = "about what you told me of the box in the corridor and the desk"
    prompts = tuple(
        dataclasses.replace(prompt, text=f"{prompt.pole} {number % 5} {rest}")
        for number, prompt in enumerate(study.prompts)
    )
    return dataclasses.replace(study, prompts=prompts)


def test_the_command_names_study_and_run(store, tiny_llama):
    ref = publish_run(store, reworded(), tiny_llama, "run-1")
    app = opened("pages/diagnosis.py", trait="warmth", layer="2", diagnosis_view="undetermined")
    command = f"python -m backend add-prompts {ref.key} --like run-1 --endpoint URL --model MODEL"
    assert command in [code.value for code in app.code]
    assert words.OTHER_WORDING in [caption.value for caption in app.caption]
    other = opened("pages/diagnosis.py", trait="warmth", layer="2", diagnosis_view="ruled out")
    assert command not in [code.value for code in other.code]
