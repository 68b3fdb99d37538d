"""Every page stands on what real studies bring: sets of some traits, odd names, bad neighbours."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from backend.store.run import run_path
from backend.types import Prompt
from tests.support.damage import SHAPES, VALUES, damage
from tests.support.pages import PAGES, opened, words
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


def publish_partial_set(settings, model):
    publish_run(settings, partial_set(), model, "run-1")


def publish_grouped(settings, model, groups):
    publish_run(settings, grouped(groups), model, "run-1")


def publish_with_neighbours(settings, model):
    """A run of odd names beside files that are none, or are gone."""
    publish_run(settings, odd_names(), model, "run-1")
    (settings.runs / "bad.duckdb").write_text("junk")
    (settings.runs / "gone.duckdb").symlink_to(settings.runs / "nowhere.duckdb")
    (settings.studies / "bad@0.duckdb").write_text("junk")


def publish_damaged(settings, model):
    """A good run beside runs of which derived tables are damaged."""
    publish_run(settings, small_study(), model, "run-1")
    for statements in (SHAPES, VALUES):
        for number, statement in enumerate([*statements][:2]):
            bad = f"bad-{len(statements)}-{number}"
            shutil.copyfile(run_path(settings, "run-1"), run_path(settings, bad))
            damage(settings, bad, statement)


@pytest.mark.parametrize("page", PAGES)
def test_a_set_of_some_traits(shown, tiny_llama, page):
    shown(publish_partial_set, tiny_llama)
    for trait in ("warmth", "haste"):
        opened(page, prompts="half", trait=trait)


@pytest.mark.parametrize("page", PAGES)
def test_odd_names_and_broken_neighbours(shown, tiny_llama, page):
    shown(publish_with_neighbours, tiny_llama)
    app = opened(page, trait=ODD)
    assert "bad.duckdb" in words(app)
    opened(page, trait="no such trait", layer="77", run="gone", prompts="none such")


@pytest.mark.parametrize("page", PAGES)
def test_runs_with_damaged_derived_tables_are_told_and_the_good_ones_shown(shown, tiny_llama, page):
    shown(publish_damaged, tiny_llama)
    app = opened(page, run="run-1")
    for name in (f"bad-{len(SHAPES)}-0", f"bad-{len(SHAPES)}-1"):
        assert f"The derived tables of run {name} are damaged: table " in words(app)
        assert f"derive it again with: python -m backend derive {name}." in words(app)
    # What only reading tells takes the place of what it would have shown.
    for number in range(2):
        opened(page, run=f"bad-{len(VALUES)}-{number}")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("groups", [3, 6])
def test_responders_that_differ_in_few_groups(shown, tiny_llama, page, groups):
    shown(publish_grouped, tiny_llama, groups)
    opened(page)
