"""How far a number type is from float32: planted errors, and a real model against one text at a
time by transformers in float64."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.cli.main import main
from backend.extraction.engine import Batch
from backend.extraction.local_engine import LocalEngine
from backend.extraction.precision import layer_errors, pooled, sample_of
from backend.extraction.spans import encode_all
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.hidden_states import reference
from tests.support.runs import request_for
from tests.support.studies import small_study

LAYERS = (0, 1, 3)


def test_planted_errors_are_found_layer_by_layer():
    rng = np.random.default_rng(2)
    exact = rng.normal(size=(2, 9, 16)).astype(np.float32) + 3
    directions = rng.normal(size=exact.shape)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    shares = np.linspace(0.01, 0.05, 9)
    lengths = np.linalg.norm(exact.astype(float), axis=-1)
    off = shares * lengths
    other = exact + (off[..., None] * directions).astype(np.float32)
    for place, error in enumerate(layer_errors((4, 7), exact, other)):
        assert error.layer == (4, 7)[place]
        assert error.median == pytest.approx(0.03, rel=1e-4)
        assert error.largest == pytest.approx(0.05, rel=1e-4)
        # Two texts' squared distance is twice their variance, whatever their mean is.
        whole = exact[place].astype(float)
        pairs = [np.sum((a - b) ** 2) for a in whole for b in whole]
        assert error.of_spread == pytest.approx(
            np.sqrt(np.mean(off[place] ** 2) / (np.mean(pairs) / 2)), rel=1e-4
        )


def test_what_cannot_be_told_is_undefined():
    zero = np.zeros((1, 3, 4), np.float32)
    (error,) = layer_errors((1,), zero, zero)
    assert (error.median, error.largest, error.of_spread) == (None, None, None)
    (error,) = layer_errors((1,), zero + 1, zero + 1)
    assert (error.median, error.largest, error.of_spread) == (0, 0, None)


@pytest.mark.parametrize(
    ("wanted", "found"), [(1, (0, 2, 3)), (4, (0, 2, 3)), (7, (0, 2, 3)), (99, (0, 1, 2, 3))]
)
def test_short_and_long_texts_are_sampled(wanted, found):
    sizes = (1, 2, 3, 3)
    batches = tuple(Batch(tuple(range(size)), size) for size in sizes)
    assert sample_of(batches, wanted) == tuple(batches[place] for place in found)


def test_errors_are_those_of_one_text_at_a_time_by_transformers(settings, tiny_llama):
    study = small_study(scenarios=20)
    ref = publish_study(settings, study, content_hash(study))
    request = request_for(ref, tiny_llama, device="cpu", layers=LAYERS)
    exact, again, other = (
        pooled(
            LocalEngine(settings, dataclasses.replace(request, dtype=dtype)),
            study,
            10_000,
            lambda _: None,
        )
        for dtype in ("float32", "float32", "bfloat16")
    )
    assert (exact.dtype, other.dtype, other.device) == ("float32", "bfloat16", "cpu")
    assert np.array_equal(exact.activations, again.activations)
    assert min(exact.seconds, other.seconds) > 0
    encoded = encode_all(AutoTokenizer.from_pretrained(tiny_llama), study.prompts, study.responses)
    true, rounded = (
        reference(
            AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=dtype).eval(),
            encoded,
            LAYERS,
            "mean",
        )
        for dtype in (torch.float64, torch.bfloat16)
    )
    assert exact.activations.shape == true.shape
    found = layer_errors(LAYERS, exact.activations, other.activations)
    for error, expected in zip(found, layer_errors(LAYERS, true, rounded), strict=True):
        # Padding changes how a sum is rounded, and not how much is lost.
        assert error.median == pytest.approx(expected.median, rel=0.2)
        assert error.of_spread == pytest.approx(expected.of_spread, rel=0.2)


def test_the_command_prints_both_and_refuses_what_means_nothing(
    settings, tiny_llama, monkeypatch, capsys
):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    study = small_study(scenarios=4)
    publish_study(settings, study, content_hash(study))
    asked = ["precision", "--study", "small", "--model", str(tiny_llama), "--layers", "0,2"]
    assert main([*asked, "--device", "cpu", "--texts", "10", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dtype"], found["device"]) == ("bfloat16", "cpu") and found["texts"] >= 10
    assert [layer["layer"] for layer in found["layers"]] == [0, 2]
    assert all(0 < layer["median"] <= layer["largest"] < 0.1 for layer in found["layers"])
    seconds = found["seconds"]
    assert found["times_as_fast"] == seconds["float32"] / seconds["bfloat16"]
    assert main([*asked, "--dtype", "float16"]) == 0
    said = capsys.readouterr().out
    assert "28 of 28 texts, short and long ones, on cpu: float32" in said and "of spread" in said
    for wrong, words in (
        (["--texts", "1"], "nothing to compare"),
        (["--layers", "9"], "layers [9] do not exist"),
    ):
        assert main([*asked, *wrong]) == 1
        assert words in capsys.readouterr().err
    assert main(["precision", "--study", "small", "--model", "simulated:x"]) == 1
    assert "is simulated and has no number type" in capsys.readouterr().err
