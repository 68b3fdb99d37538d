"""The nearest tokens of a vector are those of the product computed directly in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from backend.errors import JobError, StoreError
from backend.runs.directions import DirectionKey
from backend.runs.vocabulary import (
    DRAWS,
    MOST,
    Vocabulary,
    VocabularyRequest,
    check_vocabulary,
    vocabulary,
)
from backend.store.run import open_run
from backend.views.tokens import words
from backend.views.tokens.says import end_responses, neighbours
from backend.views.tokens.tables import end_rows, near_rows, neighbour_rows
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.tiny_models import tiny_tokenizer

MEAN = DirectionKey("warmth", "mean_difference")


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_the_nearest_tokens_are_those_of_the_direct_product(settings, tiny_folders, family):
    publish_run(settings, small_study(), tiny_folders[family], "run-1", (1, 2))
    found = vocabulary(settings, VocabularyRequest("run-1", "default", MEAN, (1, 2)))
    tensors = load_file(tiny_folders[family] / "model.safetensors")
    # Gemma's head is its embedding, and its norm multiplies by 1 + weight.
    head = tensors["lm_head.weight" if family == "llama" else "model.embed_tokens.weight"]
    scale = tensors["model.norm.weight"].astype(float) + (family == "gemma")
    tokenizer = tiny_tokenizer()
    assert found.tokens == len(tokenizer) and found.tied == (family == "gemma")
    with open_run(settings, "run-1") as run:
        for layer, own in zip((1, 2), found.layers, strict=True):
            v = run.vectors("default", [("warmth", "mean_difference", layer)])[0].values
            products = head.astype(float) @ (scale * v / np.linalg.norm(v))
            z = (products - products.mean()) / products.std()
            order = np.argsort(-products, kind="stable")
            assert own.layer == layer and len(own.top) == len(own.bottom) == MOST
            assert [token.token_id for token in own.top] == order[:MOST].tolist()
            assert [token.token_id for token in own.bottom] == order[::-1][:MOST].tolist()
            for token in (*own.top, *own.bottom):
                assert token.product == pytest.approx(products[token.token_id], abs=1e-5)
                assert token.z == pytest.approx(z[token.token_id], abs=1e-5)
                whole = tokenizer.decode([*tokenizer("a").input_ids, token.token_id])
                if "\ufffd" not in whole:
                    assert whole.endswith(token.text)
    assert 2 < found.chance < 6
    assert Vocabulary.from_values(json.loads(json.dumps(found.to_values()))) == found
    assert f"95% have no token beyond |z| = {found.chance:.2f}" in words.lens_chance(found)
    assert len(near_rows(found.layers[0])) == MOST and DRAWS >= 40


def test_nearest_vectors_and_responses_are_those_of_the_run(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", (1, 2))
    with open_run(settings, "run-1") as run:
        near = neighbours([run], (), MEAN, "default", 2)
        ends = end_responses([run], (), MEAN, "default", 2)
        stored = {
            v.trait + v.method: v.values
            for v in run.vectors(
                "default", [(trait, method, 2) for trait in run.traits for method in run.methods()]
            )
        }
        projections = run.activations("response", 2, 0, 24).astype(float)
    v = stored["warmthmean_difference"]
    projections = projections @ v / np.linalg.norm(v)
    assert near.compared == len(stored) - 1
    for one in near.found:
        other = stored[one.key.trait + one.key.method]
        cosine = v @ other / np.linalg.norm(v) / np.linalg.norm(other)
        assert one.cosine == pytest.approx(cosine, abs=1e-9)
    sizes = [abs(one.cosine) for one in near.found]
    assert sizes == sorted(sizes, reverse=True) and near.chance == pytest.approx(1.96 / 8)
    order = np.argsort(-projections)
    assert [one.response.response_id for one in ends.top] == order[:5].tolist()
    assert [one.response.response_id for one in ends.bottom] == order[::-1][:5].tolist()
    assert [one.projection for one in ends.top] == pytest.approx(projections[order[:5]])
    assert ends.count == 24 and len(end_rows(ends.top)) == 5
    assert len(neighbour_rows(near.found)) == len(near.found)
    assert "5 responses with the largest" in words.ends_line(ends)


def test_what_cannot_be_asked_is_refused(settings):
    _, (run_id, *_) = publish_small_phantom(settings)
    with open_run(settings, run_id) as run:
        key, layer = DirectionKey(next(iter(run.traits)), "mean_difference"), run.record.layers[0]
        gone = DirectionKey("x", name="gone")
        assert neighbours([run], (), gone, "default", layer).reason == "the vector was removed"
        assert end_responses([run], (), gone, "default", layer).reason == "the vector was removed"
    with pytest.raises(StoreError, match="it is simulated"):
        check_vocabulary(settings, VocabularyRequest(run_id, "default", key, (layer,)))
    with pytest.raises(JobError, match="no request for tokens of the vocabulary"):
        VocabularyRequest.from_values({})
