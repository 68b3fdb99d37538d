"""The preset comes out as the study printed it, cell by cell, with what is planted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from backend.cli.main import main
from backend.phantom.causes import CAUSES_BY_NAME
from backend.phantom.published.phantom import LAYERS, TITLE, PublishedPhantom
from backend.phantom.published.prompts import PROMPTS
from backend.runs.engines import SIMULATED_PREFIX, engine_of
from backend.runs.phantom_run import publish_phantom
from backend.store.catalog import run_summary
from backend.types import ExtractionRequest
from tests.support.views import card, diagnoses

TABLE = Path(__file__).parents[2] / "backend/studies/published_data/vector_diagnostics.csv"
PRINTED = list(csv.DictReader(TABLE.read_text("utf-8").splitlines()))
MODELS = ("llama3", "qwen2", "mistral")
# Half a unit of the last printed digit.
WITHIN = {
    "r": 5e-4,
    "separation": 0.05,
    "high_within_variance": 5e-4,
    "low_within_variance": 5e-4,
    "high_cosine": 5e-4,
    "low_cosine": 5e-4,
}


@pytest.fixture(scope="module")
def phantom():
    return PublishedPhantom()


@pytest.fixture(scope="module")
def layers(phantom):
    """Activations of a model's layer, in float64, simulated once."""
    kept = {}

    def at(model, layer):
        if (model, layer) not in kept:
            found = phantom.activations(model, layer)
            kept[model, layer] = tuple(
                part.astype(np.float64) for part in (found.prompts, found.responses)
            )
        return kept[model, layer]

    return at


def score_drift(phantom, trait):
    scores = np.array([r.scores[trait] for r in phantom.study.responses])
    return scores[1::2] - scores[::2]


def figures(prompts, responses, behaviour):
    """The printed columns straight from activations."""
    high, low = prompts[:PROMPTS], prompts[PROMPTS:]
    v = high.mean(axis=0) - low.mean(axis=0)
    projection = responses @ (v / np.linalg.norm(v))

    def cosine(rows):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return (unit @ unit.T)[np.triu_indices(PROMPTS, 1)].mean()

    return {
        "r": stats.pearsonr(projection[1::2] - projection[::2], behaviour).statistic,
        "separation": np.linalg.norm(v),
        "high_within_variance": high.var(axis=0).mean(),
        "low_within_variance": low.var(axis=0).mean(),
        "high_cosine": cosine(high),
        "low_cosine": cosine(low),
    }


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: f"{row['model']}-{row['trait']}")
def test_every_cell_has_the_printed_numbers(phantom, layers, row):
    trait = list(phantom.study.traits).index(row["trait"])
    prompts, responses = layers(MODELS.index(row["model"]), int(row["layer"]))
    own = prompts[2 * PROMPTS * trait : 2 * PROMPTS * (trait + 1)]
    found = figures(own, responses, score_drift(phantom, row["trait"]))
    for name, tolerance in WITHIN.items():
        assert found[name] == pytest.approx(float(row[name]), abs=tolerance), name


@pytest.mark.parametrize("layer", [8, 13])
def test_other_layers_are_worse_so_the_printed_one_is_the_best(phantom, layers, layer):
    for row in PRINTED:
        if int(row["layer"]) == layer:
            continue
        trait = list(phantom.study.traits).index(row["trait"])
        prompts, responses = layers(MODELS.index(row["model"]), layer)
        own = prompts[2 * PROMPTS * trait : 2 * PROMPTS * (trait + 1)]
        r = figures(own, responses, score_drift(phantom, row["trait"]))["r"]
        assert r < float(row["r"]) and r == pytest.approx(
            phantom.wanted_r(MODELS.index(row["model"]), trait, layer), abs=1e-4
        )


def test_every_cell_says_what_is_planted(phantom):
    traits = list(phantom.study.traits)
    for row in PRINTED:
        model = MODELS.index(row["model"])
        planted = phantom.planted(model, traits.index(row["trait"]))
        works = float(row["r"]) > 0.3
        assert works == all(not CAUSES_BY_NAME[cause].harms for cause in planted)
        assert ("unit_scale" in planted) == (row["model"] == "qwen2")
        description = phantom.study.traits[row["trait"]]
        for cause in planted:
            assert f"{CAUSES_BY_NAME[cause].title}" in description
    assert "simulated" in TITLE and all("simulated" in name for name in phantom.models)


def test_a_seed_is_repeatable(phantom):
    again = PublishedPhantom().activations(1, 14)
    np.testing.assert_array_equal(again.responses, phantom.activations(1, 14).responses)
    other = PublishedPhantom(seed=5).activations(1, 14)
    assert np.abs(again.responses - other.responses).max() > 1


def test_the_job_finds_its_model(phantom):
    for model, name in (
        (f"{SIMULATED_PREFIX}qwen2-simulated", "phantom"),
        ("Qwen/Qwen2-7B-Instruct", "local"),
    ):
        assert engine_of(ExtractionRequest("a@b", model, LAYERS)).name == name


@pytest.mark.long
@pytest.mark.slow
def test_published_it_is_the_scorecard_of_the_study_and_the_causes_are_found(settings):
    phantom = PublishedPhantom(layers=(19,))
    ref, run_ids = publish_phantom(settings, phantom, lambda _: None)
    cells = card(settings, run_ids).cells
    summary = run_summary(settings, run_ids[1])
    assert summary.record.layers == (19,) and summary.study_key == ref.key
    for row in PRINTED:
        if row["layer"] == "19":
            run_id = run_ids[MODELS.index(row["model"])]
            shown = cells[run_id, row["trait"]].correlation.value
            assert shown == pytest.approx(float(row["r"]), abs=5e-4)
    for model, run_id in enumerate(run_ids):
        for trait, name in enumerate(phantom.study.traits):
            if phantom.wanted_r(model, trait, 19) == pytest.approx(
                next(
                    float(r["r"])
                    for r in PRINTED
                    if (r["model"], r["trait"]) == (MODELS[model], name)
                )
            ):
                (diagnosis,) = diagnoses(settings, run_id, name)
                found = [j.cause for j in diagnosis.supported]
                harmful = [c for c in phantom.planted(model, trait) if CAUSES_BY_NAME[c].harms]
                assert found[:1] == harmful, (run_id, name, diagnosis.headline)


def test_the_command_wants_a_preset_or_a_cause(settings, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    assert main(["phantom", "--cause", "floor"]) == 1
    assert "--seed and --name is missing" in capsys.readouterr().err
