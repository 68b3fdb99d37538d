"""A new prompt set: what is kept, what is new, and every fault at once."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.errors import StudyFaults
from backend.store.study import list_studies, load_study, publish_study
from backend.studies.hashing import content_hash
from backend.studies.prompt_sets import Lines, NewSet, publish_prompt_set, starting_lines
from tests.support.studies import small_study

STUDY = small_study(scenarios=3)


@pytest.fixture
def ref(settings):
    return publish_study(settings, STUDY, content_hash(STUDY))


def texts(study, prompt_set):
    return [(p.trait, p.pole, p.text) for p in study.prompts if p.prompt_set == prompt_set]


def test_a_copy_with_one_trait_rewritten(settings, ref):
    typed = {"warmth": Lines("so glad\n\n  how kind  \nfirst⏎second", "go\nno")}
    new = publish_prompt_set(
        settings, NewSet(ref.key, "brief", author="A. Writer", start="default", typed=typed)
    )
    assert new.name == ref.name and new.content_hash != ref.content_hash
    assert set(list_studies(settings)) == {ref, new}
    old, revised = load_study(settings, ref), load_study(settings, new)
    assert old == STUDY
    assert content_hash(revised) == new.content_hash
    assert texts(revised, "default") == texts(STUDY, "default")
    found = texts(revised, "brief")
    assert [t for trait, pole, t in found if (trait, pole) == ("warmth", "high")] == [
        "so glad",
        "how kind",
        "first\nsecond",
    ]
    assert [row for row in found if row[0] == "haste"] == [
        row for row in texts(STUDY, "default") if row[0] == "haste"
    ]
    assert revised.provenance == f"{STUDY.provenance} Prompt set 'brief' was added by A. Writer."
    kept = {"prompts": STUDY.prompts, "provenance": STUDY.provenance}
    assert dataclasses.replace(revised, **kept) == STUDY


def test_untouched_lines_keep_their_prompts_to_the_letter(settings):
    odd = (" leading", "two\nlines", "trailing \t", "naïve ⏎ sign")
    prompts = tuple(
        dataclasses.replace(p, text=odd[i % 4] + f" {p.trait}{p.pole}{i}" * (i % 4 == 1))
        for i, p in enumerate(STUDY.prompts[:4] + STUDY.prompts[5:9])
    )
    study = dataclasses.replace(
        STUDY,
        traits={"warmth": ""},
        responses=(),
        prompts=tuple(
            dataclasses.replace(p, trait="warmth", text=p.text + ("" if p.pole == "high" else "!"))
            for p in prompts
        ),
    )
    ref = publish_study(settings, study, content_hash(study))
    lines = starting_lines(settings, ref.key, "default")
    new = publish_prompt_set(settings, NewSet(ref.key, "copy", start="default", typed=lines))
    revised = load_study(settings, new)
    assert texts(revised, "copy") == texts(study, "default")


@pytest.mark.parametrize("table", ["jsonl", "csv"])
def test_a_pasted_table(settings, ref, table):
    rows = [
        {"trait": trait, "pole": pole, "text": f'{trait}, "{pole}" {i}'}
        for trait in STUDY.traits
        for pole in ("high", "low")
        for i in range(2)
    ]
    if table == "jsonl":
        pasted = "\n".join(json.dumps(row) for row in rows)
    else:
        quoted = [
            ",".join('"' + value.replace('"', '""') + '"' for value in row.values()) for row in rows
        ]
        pasted = "\n".join(["trait,pole,text", *quoted])
    new = publish_prompt_set(settings, NewSet(ref.key, "pasted", pasted=pasted))
    assert texts(load_study(settings, new), "pasted") == [tuple(row.values()) for row in rows]


def test_every_fault_is_listed_at_once_and_nothing_is_kept(settings, ref):
    typed = {"warmth": Lines("one\ntwo\none", "two"), "speed": Lines("a\nb", "c\nd")}
    with pytest.raises(StudyFaults) as caught:
        publish_prompt_set(settings, NewSet(ref.key, "default", typed=typed))
    found = {(f.file, f.line): f.what for f in caught.value.faults}
    assert found["warmth, high", 3] == "The same prompt stands on line 1."
    assert found["warmth, low", 1] == "The same text is the high pole on line 2 of warmth, high."
    assert found["speed, high", 1] == "The study has no trait 'speed'."
    assert "already" in found["Name of the set", None]
    whole = [f.what for f in caught.value.faults if f.file == "Prompt set 'default'"]
    assert any("'warmth' (set 'default') is too small: it has 1 low" in what for what in whole)
    assert "Trait 'haste' has no prompts." in whole
    assert list_studies(settings) == (ref,)
    assert list(settings.work.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "pasted", "what"),
    [
        ("", '{"trait": "warmth"}', "'' cannot name a prompt set"),
        ("a\nb", '{"trait": "warmth"}', "cannot name a prompt set"),
        ("a/b", '{"trait": "warmth"}', "'a/b' holds one of"),
        ("x", '{"trait": "\ud83d"}', "is not UTF-8"),
        ("x", "", "holds no readable record"),
        ("x", '{"trait": "warmth", "pole": "up", "text": "t"}', "Unknown pole 'up'"),
        ("x", '{"trait": "warmth", "pole": "low", "text": " "}', "text is empty"),
        ("x", "{not json", "Not JSON"),
        ("x", "trait,pole,text,prompt_set\nwarmth,low,a,p\nwarmth,low,b,q", "2 prompt sets: p, q"),
    ],
)
def test_faults_of_names_and_tables(settings, ref, name, pasted, what):
    with pytest.raises(StudyFaults, match=what) as caught:
        publish_prompt_set(settings, NewSet(ref.key, name, pasted=pasted))
    assert name != "x" or len(caught.value.faults) == 1
    assert list_studies(settings) == (ref,)


def test_the_same_set_added_twice_is_the_same_revision(settings, ref):
    new = NewSet(ref.key, "copy", start="default")
    assert publish_prompt_set(settings, new) == publish_prompt_set(settings, new)


@pytest.mark.parametrize(("odd", "part"), [("\0", "NUL"), ("\ud83d", "half of a character")])
def test_typed_text_that_no_file_can_hold_is_refused(settings, ref, odd, part):
    typed = {"warmth": Lines(f"a{odd}b\ntwo", "three\nfour")}
    with pytest.raises(StudyFaults, match=part):
        publish_prompt_set(settings, NewSet(ref.key, "x", start="default", typed=typed))
    with pytest.raises(StudyFaults, match="control character"):
        publish_prompt_set(settings, NewSet(ref.key, "x", author=odd, start="default"))
    assert list_studies(settings) == (ref,)
