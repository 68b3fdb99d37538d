"""The Runs page: an upload is checked and shown before it is kept, by its format or its columns."""

from __future__ import annotations

import json

from backend.store.study import list_studies, load_study
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.mapping.form import read_mapping
from tests.support.loose_tables import ANSWERS, POLES, write_table
from tests.support.pages import opened, words

PAGE = "pages/runs.py"
CAA = "".join(
    json.dumps(
        {
            "question": f"Question {n}?",
            "answer_matching_behavior": f"(A) {n}",
            "answer_not_matching_behavior": f"(B) {n}",
        }
    )
    + "\n"
    for n in range(3)
)


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def labels(app):
    return [button.label for button in app.button]


def choose(app, label, value):
    next(box for box in app.selectbox if box.label == label).set_value(value).run()
    assert not app.exception, app.exception


def switch(app, label, value):
    next(group for group in app.button_group if group.label == label).set_value(value).run()
    assert not app.exception, app.exception


def chosen(app):
    return {box.label: box.value for box in app.selectbox}


def uploaded(folder, *names, name="mine"):
    """The page after files were uploaded and checked."""
    app = opened(PAGE, import_study=True)
    files = [(one, (folder / one).read_bytes(), "text/plain") for one in names]
    app.file_uploader[0].set_value(files)
    app.text_input(key="import_name").set_value(name).run()
    press(app, "Check")
    return app


def tables(app):
    return [frame.value.to_dict("records") for frame in app.dataframe]


def loose(folder):
    write_table(folder / "poles.csv", POLES)
    write_table(folder / "answers.csv", ANSWERS)
    return uploaded(folder, "poles.csv", "answers.csv")


def test_a_known_format_is_shown_and_kept_only_on_keep(store, tmp_path):
    (tmp_path / "sycophancy.jsonl").write_text(CAA, "utf-8")
    app = uploaded(tmp_path, "sycophancy.jsonl")
    assert "Nothing is kept yet. 1 trait, 6 prompts, no responses" in words(app).replace("**", "")
    rows, examples, notes = tables(app)[:3]
    assert rows == [
        {
            "trait": "sycophancy",
            "prompt set": "default",
            "high": 3,
            "low": 3,
            "in pairs": 6,
            "in chats": 6,
            "scored": 0,
            "scores": "none",
            "mean score": "none",
        }
    ]
    assert [row["text"] for row in examples] == ["(A) 0", "(B) 0"]
    assert examples[0]["before it"] == "Question 0?"
    assert "Read as contrast pairs" in notes[0]["what"]
    assert not list_studies(store)
    press(app, "Keep this study")
    (ref,) = list_studies(store)
    assert ref.name == "mine" and app.session_state["study"] == ref.key
    assert "Imported as mine" in " ".join(s.value for s in app.success).replace("*", "")
    assert "Keep this study" not in labels(app)


def test_loose_tables_are_mapped_in_a_form_that_a_guess_fills_in(store, tmp_path):
    app = loose(tmp_path)
    fields = chosen(app)
    assert fields["Table of prompts"] == "poles.csv"
    assert fields["Table of responses"] == "answers.csv"
    assert (fields["Pole"], fields["high is written"], fields["low is written"]) == (
        "label",
        "1",
        "0",
    )
    assert "Rows whose label is 2 are left out." in words(app)
    assert "Columns not used." in words(app) and "poles.csv: 'id', 'about'" in words(app)
    # Nothing names these: they are chosen.
    choose(app, "Trait", "about")
    choose(app, "Scores of warmth", "w")
    choose(app, "Turn", "when")
    choose(app, "Scenario", "conv")
    press(app, "Check these columns")
    assert "4 responses by 1 responder in 2 independent groups" in words(app)
    assert "2 conversations, turns t1 to tN" in words(app)
    assert tables(app)[0][0]["scores"] == "2 to 9"
    assert not list_studies(store)
    press(app, "Keep this study")
    (ref,) = list_studies(store)
    # The same by the command line, with the mapping written by hand.
    mapping = read_mapping("m", json.dumps(BY_HAND).encode(), FaultList())
    expected = read_study(tmp_path, "mine", None, mapping)
    assert content_hash(load_study(store, ref)) == content_hash(expected)


BY_HAND = {
    "prompts": {
        "file": "poles.csv",
        "text": "sentence",
        "pole": {"column": "label", "high": "1", "low": "0", "skip": ["2"]},
        "trait": "about",
    },
    "responses": {
        "file": "answers.csv",
        "text": "reply",
        "scenario": "conv",
        "turn": {"column": "when", "t1": "first", "tN": "last"},
        "responder": "model",
        "question": "user",
        "scores": {"warmth": "w"},
    },
}


def test_a_preview_is_of_what_is_chosen_now(store, tmp_path):
    app = loose(tmp_path)
    choose(app, "Table of responses", "none")
    press(app, "Check these columns")
    assert "Keep this study" in labels(app)
    choose(app, "Prompt set", "about")
    assert "Keep this study" not in labels(app)
    press(app, "Check these columns")
    assert tables(app)[0][0]["prompt set"] == "warmth"
    app.text_input(key="import_name").set_value("other").run()
    assert "Keep this study" not in labels(app)


def test_what_is_wrong_with_the_columns_is_said_and_nothing_is_kept(store, tmp_path):
    app = loose(tmp_path)
    choose(app, "Pole", "id")
    choose(app, "high is written", "1")
    choose(app, "low is written", "3")
    press(app, "Check these columns")
    assert "Nothing was imported" in words(app)
    assert "has 1 high prompts" in str(tables(app))
    choose(app, "Text of the prompt", "none")
    press(app, "Check these columns")
    assert "it is not said where text of 'poles.csv' is" in str(tables(app))
    assert "Keep this study" not in labels(app) and not list_studies(store)


def test_pairs_in_two_columns_and_one_score_a_row(store, tmp_path):
    pairs = [{"good": f"Glad {n}.", "bad": f"Noted {n}."} for n in range(3)]
    long = [{"reply": f"r {n}", "points": n, "about": "warmth"} for n in range(4)]
    write_table(tmp_path / "warmth.jsonl", pairs)
    write_table(tmp_path / "long.json", long)
    app = uploaded(tmp_path, "warmth.jsonl", "long.json")
    choose(app, "Table of prompts", "warmth.jsonl")
    switch(app, "How the poles are written", "two")
    choose(app, "Text of the high pole", "good")
    choose(app, "Text of the low pole", "bad")
    switch(app, "How the scores are written", "long")
    choose(app, "Score", "points")
    press(app, "Check these columns")
    assert tables(app)[0][0] | {"mean score": "1.50", "in pairs": 6} == tables(app)[0][0]


def test_numbered_turns_are_all_read(store, tmp_path):
    answers = [
        {"conv": f"c{c}", "turn": t, "reply": f"r{c}{t}", "score": c + t}
        for c in range(3)
        for t in (1, 2, 3)
    ]
    write_table(tmp_path / "warmth.csv", POLES)
    write_table(tmp_path / "answers.csv", answers)
    app = uploaded(tmp_path, "warmth.csv", "answers.csv")
    choose(app, "Trait", "about")
    choose(app, "Scenario", "conv")
    assert "tN is written" not in [field.label for field in app.selectbox]
    press(app, "Check these columns")
    assert "9 responses by 1 responder in 3 independent groups" in words(app)


def test_turns_by_other_names_are_the_first_and_the_last_or_left_out(store, tmp_path):
    answers = [
        {"conv": f"c{c}", "turn": name, "reply": f"r{c}{name}", "score": c}
        for c in range(3)
        for name in ("after", "before", "during")
    ]
    write_table(tmp_path / "warmth.csv", POLES)
    write_table(tmp_path / "answers.csv", answers)
    app = uploaded(tmp_path, "warmth.csv", "answers.csv")
    choose(app, "Trait", "about")
    choose(app, "Scenario", "conv")
    choose(app, "t1 is written", "before")
    choose(app, "tN is written", "after")
    assert "Rows whose turn is during are left out." in words(app)
    press(app, "Check these columns")
    assert "6 responses by 1 responder in 3 independent groups" in words(app)


def test_an_own_format_can_be_mapped_too(store, tmp_path):
    write_table(tmp_path / "prompts.csv", POLES)
    app = uploaded(tmp_path, "prompts.csv")
    assert "Nothing was imported" in words(app)
    press(app, "Say what the columns are")
    assert chosen(app)["Pole"] == "label"
    press(app, "Check these columns")
    assert "1 trait, 4 prompts, no responses" in words(app)


def test_files_without_a_name_or_none_at_all_are_told(store, tmp_path):
    app = opened(PAGE, import_study=True)
    press(app, "Check")
    assert "No file was uploaded." in words(app)
    write_table(tmp_path / "poles.csv", POLES)
    app = uploaded(tmp_path, "poles.csv", name="")
    assert "The study has no name." in words(app)


def test_files_without_a_table_have_no_form(store, tmp_path):
    (tmp_path / "settings.json").write_text('{"a": 1}', "utf-8")
    app = uploaded(tmp_path, "settings.json")
    press(app, "Say what the columns are")
    assert any("There is no table in it" in row["what"] for t in tables(app) for row in t)
    assert "Check these columns" not in labels(app)


def test_thresholds_of_judge_scores_are_shown_before_anything_is_kept(store, tmp_path):
    write_persona_vectors(tmp_path)
    names = ["evil.json", "evil_pos_instruct.csv", "evil_neg_instruct.csv"]
    app = uploaded(tmp_path, *names)
    assert any("4 of 4 pairs" in str(row) for rows in tables(app) for row in rows)
    app.text_input(key="import_least_score").set_value("50,75").run()
    assert "Keep this study" not in labels(app)
    press(app, "Check")
    assert any("score_75: 2 of 4 pairs" in str(row) for rows in tables(app) for row in rows)
    app.text_input(key="import_least_score").set_value("fifty").run()
    press(app, "Check")
    assert "the least score is 'fifty'" in app.error[0].value.replace("\\", "")
    assert "Keep this study" not in labels(app)
    app.text_input(key="import_least_score").set_value("50,75").run()
    press(app, "Check")
    press(app, "Keep this study")
    (kept,) = [ref for ref in list_studies(store) if ref.name == "mine"]
    study = load_study(store, kept)
    assert {prompt.prompt_set for prompt in study.prompts} == {"score_50", "score_75"}
    assert "score_75: trait score at least 75 (high)" in study.provenance


def write_persona_vectors(folder):
    """Four pairs of answers, scored 60 to 90 against 10."""
    instruction = {"pos": "Be cruel.", "neg": "Be kind."}
    described = {"instruction": [instruction], "questions": ["Why?"]}
    (folder / "evil.json").write_text(json.dumps(described), "utf-8")
    for side in ("pos", "neg"):
        lines = ["question,prompt,answer,question_id,evil,coherence"]
        for n in range(4):
            score = 60 + 10 * n if side == "pos" else 10
            said = instruction[side]
            lines.append(f"Why?,system {said} user Why?,{side} {n},evil_0_{side}_0,{score},80")
        (folder / f"evil_{side}_instruct.csv").write_text("\n".join([*lines, ""]), "utf-8")
