"""Tokens of a run's responses give the run's own projections; what cannot be asked is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.errors import JobError, ModelNotFound, StoreError
from backend.runs import token_view as module
from backend.runs.directions import DirectionKey, direction_key, directions, identity_of
from backend.runs.imported_vectors import named_vectors
from backend.runs.saved_vectors import save_vector
from backend.runs.token_view import TokenRequest, TokenView, check_request, token_view
from backend.store.run import open_run
from tests.support.damage import OTHER_VECTORS, damage
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study

MEAN = DirectionKey("warmth", "mean_difference")


def ask(run_id="run-1", keys=(MEAN,), layers=(1, 2), responses=(0, 1, 2, 3, 4)):
    return TokenRequest(run_id, "default", keys, layers, responses)


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, long_study(), tiny_llama, "run-1", (1, 2))
    return settings


def test_the_tokens_of_a_conversation_give_the_projections_that_the_run_holds(store):
    save_vector(store, "mine", "run-1", "haste", "default", 2, Pipeline(metric="massive_removed"))
    haste = DirectionKey("haste", name="mine")
    view = token_view(store, ask(keys=(MEAN, haste)))
    with reading_run(store, "run-1") as connection:
        for place, (trait, method, layers) in enumerate(
            (("warmth", "mean_difference", (1, 2)), ("haste", "massive_removed", (2,)))
        ):
            rows = connection.execute(
                "SELECT response_id, layer, projection FROM projections"
                " WHERE trait = ? AND method = ? AND prompt_set = 'default'",
                [trait, method],
            ).fetchall()
            stored = {(number, layer): value for number, layer, value in rows}
            for layer in layers:
                column = (1, 2).index(layer)
                every = np.array([stored[number, layer] for number in range(70)])
                assert view.means[place, column] == pytest.approx(every.mean(), abs=1e-5)
                assert view.deviations[place, column] == pytest.approx(every.std(ddof=1), rel=1e-4)
                for text in view.texts:
                    here = text.projections[place, column]
                    assert here == pytest.approx(stored[text.response_id, layer], abs=1e-5)
                    assert text.stored[place, column] == pytest.approx(here, abs=1e-5)
    assert np.isnan(view.means[1, 0]) and view.reasons == {(1, 1): "it is of layer 2"}
    assert np.nanmax(view.differences) < 1e-4 and np.isnan(view.differences[:, 1, 0]).all()
    study = long_study()
    for text, response in zip(view.texts, study.responses, strict=False):
        spelled = "".join(t for t, own in zip(text.tokens, text.own, strict=True) if own)
        assert spelled.strip() == response.text.strip()
        assert (text.scenario, text.turn) == (response.scenario, response.turn)
        # Template tokens are told apart: the sign that begins the chat, and those of the roles.
        signs = [t for t, special in zip(text.tokens, text.special, strict=True) if special]
        assert signs[0] == "<s>" and {"<|user|>", "<|assistant|>", "<|end|>"} <= set(signs)
        assert not text.pooled[text.special].any()
    # A later turn begins where the response before it ended: the whole chat is shown once.
    ends = [int(np.flatnonzero(text.own)[-1]) + 1 for text in view.texts]
    assert [text.begins for text in view.texts] == [0, *ends[:-1]]
    for one, other in zip(view.texts, view.texts[1:], strict=False):
        assert other.tokens[: other.begins] == one.tokens[: other.begins]
        assert other.values[0, :, : other.begins] == pytest.approx(
            one.values[0, :, : other.begins], abs=1e-4
        )


def test_a_view_survives_json(store):
    view = token_view(store, ask(responses=(3,)))
    again = TokenView.from_values(json.loads(json.dumps(view.to_values())))
    assert again.request == view.request and again.reasons == view.reasons
    assert again.texts[0].tokens == view.texts[0].tokens
    assert again.texts[0].values == pytest.approx(view.texts[0].values, rel=1e-6)
    assert again.texts[0].projections == pytest.approx(view.texts[0].projections, rel=1e-5)
    assert (again.texts[0].pooled == view.texts[0].pooled).all()
    with pytest.raises(JobError, match="no request for tokens"):
        TokenRequest.from_values({"run_id": "run-1"})


def test_what_a_run_cannot_answer_is_refused_before_the_model_is_loaded(store):
    for wrong, said in (
        (ask(layers=(7,)), "no layers 7"),
        (ask(layers=()), "no layers named"),
        (ask(responses=(70,)), "no response 70"),
        (ask(responses=()), "no response of this choice"),
        (ask(keys=(MEAN,) * 3), "3 vectors were named"),
        (ask(keys=(DirectionKey("warmth", "none"),)), "has no vector at layer 1, 2"),
        (ask(keys=(DirectionKey("warmth", name="gone"),)), "the vector was removed"),
    ):
        with pytest.raises(StoreError, match=said):
            check_request(store, wrong)
    with open_run(store, "run-1") as run:
        with pytest.raises(StoreError, match="no vector 'lca'"):
            direction_key(run, (), "warmth", "lca", "default")
        with pytest.raises(StoreError, match="no trait 'none'"):
            direction_key(run, (), "none", "lda", "default")


def test_a_simulated_run_has_no_tokens(settings):
    _, (run_id, *_) = publish_small_phantom(settings)
    with open_run(settings, run_id) as run:
        key = DirectionKey(next(iter(run.traits)), "mean_difference")
        layers = run.record.layers[:1]
    with pytest.raises(StoreError, match="it is simulated, so it has no tokens"):
        check_request(settings, ask(run_id, (key,), layers, (0,)))


def test_a_model_that_is_gone_or_another_is_told(settings, tiny_llama, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    publish_run(settings, small_study(), folder, "run-2", (1,))
    one = ask("run-2", layers=(1,), responses=(0,))
    template = folder / "chat_template.jinja"
    before = template.read_text("utf-8")
    template.write_text(before + " ", "utf-8")
    with pytest.raises(StoreError, match="has another chat template"):
        token_view(settings, one)
    template.write_text(before, "utf-8")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="has other weights"):
        token_view(settings, one)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelNotFound, match="does not exist"):
        token_view(settings, one)


def test_a_result_is_bounded(store, monkeypatch):
    monkeypatch.setattr(module, "MOST_NUMBERS", 300)
    with pytest.raises(StoreError, match="numbers"):
        token_view(store, ask())


def test_named_vectors_of_other_runs_are_not_used(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-3", (2,))
    save_vector(store, "other", "run-3", "haste", "default", 2, Pipeline())
    with open_run(store, "run-1") as run:
        named = named_vectors(store)
        key = direction_key(run, named, "", "other", "default")
        found = directions(run, named, [key, dataclasses.replace(MEAN)], "default", [2])
    assert key == DirectionKey("haste", name="other")
    assert found.reasons == {(0, 2): "it was saved from another run, run-3"}
    assert np.linalg.norm(found.units[1, 0]) == pytest.approx(1)


def test_what_was_asked_of_other_vectors_is_refused(store):
    def identity(keys, layers=(1, 2)):
        with open_run(store, "run-1") as run:
            return identity_of([run], named_vectors(store), keys, "default", layers)

    save_vector(store, "mine", "run-1", "haste", "default", 2, Pipeline())
    mine = DirectionKey("haste", name="mine")
    before = {keys: identity(keys) for keys in ((MEAN,), (mine,), (MEAN, mine))}
    assert len(set(before.values())) == 3 and identity((MEAN,), (1,)) not in before.values()
    for keys, asked_of in before.items():
        assert identity(keys) == asked_of
        check_request(store, dataclasses.replace(ask(keys=keys), asked_of=asked_of))
    damage(store, "run-1", OTHER_VECTORS)
    for keys, asked_of in before.items():
        # A vector that was saved is the same, as long as nobody saves another of its name.
        assert (identity(keys) == asked_of) == (keys == (mine,))
    request = dataclasses.replace(ask(), asked_of=before[MEAN,])
    assert TokenRequest.from_values(json.loads(json.dumps(request.to_values()))) == request
    for refused in (check_request, token_view):
        with pytest.raises(StoreError, match="derived again or replaced"):
            refused(store, request)
    (store.vectors / "mine.duckdb").unlink()
    save_vector(store, "mine", "run-1", "haste", "default", 2, Pipeline(row_scaling="unit"))
    assert identity((mine,)) != before[mine,]
    # Another run of that name is another, though its vectors were the same.
    kept = identity((mine,))
    damage(store, "run-1", "UPDATE run SET value = '\"2020\"' WHERE key = 'created_at'")
    assert identity((mine,)) != kept
