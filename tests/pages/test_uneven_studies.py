"""Every page stands on what real studies bring: sets of some traits, odd names, bad neighbours."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from backend.store.run import run_path
from backend.types import Prompt
from tests.pages.test_pages import PAGES
from tests.support.damage import SHAPES, VALUES, damage
from tests.support.pages import opened, words
from tests.support.runs import publish_run
from tests.support.studies import small_study

ODD = 'a/b <i>"50%" & more'


def partial_set():
    """Two traits, of which one alone has prompts of the set ``half``."""
    study = small_study()
    half = tuple(
        Prompt("haste", p.pole, f"{p.text} again", "half")
        for p in study.prompts
        if p.trait == "haste"
    )
    return dataclasses.replace(study, prompts=study.prompts + half)


def odd_names():
    """A trait, a prompt set and a responder whose names mean something to markup and paths."""
    study = small_study()
    rename = {"warmth": ODD, "haste": "haste"}
    return dataclasses.replace(
        study,
        title=f"Title {ODD}",
        traits={rename[t]: text for t, text in study.traits.items()},
        prompts=tuple(
            dataclasses.replace(p, trait=rename[p.trait], prompt_set=ODD) for p in study.prompts
        ),
        responses=tuple(
            dataclasses.replace(
                r, responder=ODD, scores={rename[t]: v for t, v in r.scores.items()}
            )
            for r in study.responses
        ),
    )


def grouped(groups, responders=3):
    """Three responders who differ, and scenarios in groups."""
    base = small_study(scenarios=12, turns=False)
    return dataclasses.replace(
        base,
        responses=tuple(
            dataclasses.replace(
                r,
                responder=f"m{number}",
                text=f"{r.text} {'m' * number}",
                group=f"g{int(r.scenario[1:]) % groups}",
                scores={t: min(10.0, v / 2 + 2 * number) for t, v in r.scores.items()},
            )
            for r in base.responses
            for number in range(responders)
        ),
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_set_of_some_traits(store, tiny_llama, page):
    publish_run(store, partial_set(), tiny_llama, "run-1")
    for trait in ("warmth", "haste"):
        opened(page, prompts="half", trait=trait)


@pytest.mark.parametrize("page", PAGES)
def test_odd_names_and_broken_neighbours(store, tiny_llama, page):
    publish_run(store, odd_names(), tiny_llama, "run-1")
    (store.runs / "bad.duckdb").write_text("junk")
    (store.runs / "gone.duckdb").symlink_to(store.runs / "nowhere.duckdb")
    (store.studies / "bad@0.duckdb").write_text("junk")
    app = opened(page, trait=ODD)
    assert "bad.duckdb" in words(app)
    opened(page, trait="no such trait", layer="77", run="gone", prompts="none such")


@pytest.mark.parametrize("page", PAGES)
def test_runs_with_damaged_derived_tables_are_told_and_the_good_ones_shown(store, tiny_llama, page):
    publish_run(store, small_study(), tiny_llama, "run-1")
    for statements in (SHAPES, VALUES):
        for number, statement in enumerate([*statements][:2]):
            bad = f"bad-{len(statements)}-{number}"
            shutil.copyfile(run_path(store, "run-1"), run_path(store, bad))
            damage(store, bad, statement)
    app = opened(page, run="run-1")
    for name in (f"bad-{len(SHAPES)}-0", f"bad-{len(SHAPES)}-1"):
        assert f"The derived tables of run {name} are damaged: table " in words(app)
        assert f"derive it again with: python -m backend derive {name}." in words(app)
    # What only reading tells takes the place of what it would have shown.
    for number in range(2):
        opened(page, run=f"bad-{len(VALUES)}-{number}")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("groups", [3, 6])
def test_responders_that_differ_in_few_groups(store, tiny_llama, page, groups):
    publish_run(store, grouped(groups), tiny_llama, "run-1")
    opened(page)
