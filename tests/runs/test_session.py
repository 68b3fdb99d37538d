"""A run's numbers equal a direct computation, also when it was interrupted."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from scipy import stats

from backend.errors import ExtractionError, LayerOutOfRange, MissingChatTemplate, StoreError
from backend.extraction.engine import Batch
from backend.extraction.spans import encode_prompt, encode_response
from backend.models.load import load
from backend.models.resolve import resolve
from backend.runs.session import session_of
from backend.store.catalog import run_summary
from backend.store.connection import matrix_of
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.raw import reading_run
from tests.support.results import cells
from tests.support.runs import contents, extract, request_for
from tests.support.studies import small_study
from tests.support.views import prompts


def publish(settings, **values):
    study = small_study(**values)
    return study, publish_study(settings, study, content_hash(study))


def direct(folder, study, layer, settings):
    """float64 activations of prompts and responses, one text at a time."""
    loaded = load(
        resolve(str(folder), settings, lambda *_: None),
        device="cpu",
        dtype="float64",
        need_chat_template=False,
    )
    encoded = [encode_prompt(loaded.tokenizer, p) for p in study.prompts]
    encoded += [encode_response(loaded.tokenizer, r) for r in study.responses]
    rows = []
    for text in encoded:
        with torch.no_grad():
            states = loaded.model(torch.tensor([text.ids]), output_hidden_states=True).hidden_states
        rows.append(states[layer][0].numpy()[np.array(text.wanted)].mean(0))
    return np.array(rows[: len(study.prompts)]), np.array(rows[len(study.prompts) :])


def test_every_stored_number_equals_a_direct_computation(settings, tiny_llama):
    study, ref = publish(settings)
    extract(settings, "run", request_for(ref, tiny_llama))
    p, r = direct(tiny_llama, study, 1, settings)
    with reading_run(settings, "run") as connection:
        for trait in study.traits:
            ids = [i for i, prompt in enumerate(study.prompts) if prompt.trait == trait]
            high = np.array([study.prompts[i].pole == "high" for i in ids])
            rows = p[ids]
            v = rows[high].mean(0) - rows[~high].mean(0)
            where = "WHERE trait = ? AND layer = 1 AND metric = 'identity'"
            method = "WHERE trait = ? AND layer = 1 AND method = 'mean_difference'"
            gram = matrix_of(
                connection, f"SELECT products FROM gram {where} ORDER BY prompt_id", [trait]
            )
            np.testing.assert_allclose(gram, rows @ rows.T, rtol=1e-5)
            a = matrix_of(
                connection, f"SELECT products FROM alignment {where} ORDER BY response_id", [trait]
            )
            np.testing.assert_allclose(a, r @ rows.T, rtol=1e-4, atol=1e-4 * np.abs(a).max())
            stored = matrix_of(connection, f"SELECT vector FROM vectors {method}", [trait])[0]
            np.testing.assert_allclose(stored, v, atol=1e-5 * np.abs(v).max())
            projection = np.array(
                connection.execute(
                    f"SELECT projection FROM projections {method} ORDER BY response_id", [trait]
                ).fetchall()
            )[:, 0]
            np.testing.assert_allclose(projection, r @ v / np.linalg.norm(v), rtol=1e-4, atol=1e-4)
            scores = np.array([response.scores[trait] for response in study.responses])
            expected = stats.pearsonr(
                projection[1::2] - projection[::2], scores[1::2] - scores[::2]
            )
            cell = next(c for c in cells(settings, "run", trait) if c.key.layer == 1)
            assert cell.correlation.value == pytest.approx(expected.statistic, abs=1e-9)
            assert cell.correlation.p == pytest.approx(expected.pvalue, rel=1e-6)
            assert cell.metrics["separation"].value == pytest.approx(np.linalg.norm(v), rel=1e-5)
    view = prompts(settings, "run", "warmth", 1, clustered=True)
    order = [row.prompt_id for row in view.rows]
    normed = p[order] / np.linalg.norm(p[order], axis=1, keepdims=True)
    np.testing.assert_allclose(view.cosines, normed @ normed.T, atol=1e-5)
    assert [row.norm for row in view.rows] == pytest.approx(
        np.linalg.norm(p[order], axis=1), rel=1e-5
    )


def test_the_run_says_where_it_came_from(settings, tiny_llama):
    study, ref = publish(settings)
    _, reports = extract(settings, "run", request_for(ref, tiny_llama, pooling="last"))
    summary = run_summary(settings, "run")
    record = summary.record
    assert (record.study_hash, record.target, record.pooling) == (ref.content_hash, "drift", "last")
    assert (record.layers, record.width, record.depth) == ((0, 1, 3), 64, 3)
    assert record.architecture == "LlamaForCausalLM"
    assert len(record.weights_hash) == 64
    assert set(record.versions) >= {"torch", "transformers", "python"}
    assert (summary.prompts, summary.responses) == (len(study.prompts), len(study.responses))
    stages = [report.stage for report in reports]
    assert stages[0] == "finding the model" and stages[-1] == "publishing"
    final = reports[-1]
    assert final.done == final.total == summary.prompts + summary.responses
    assert final.batches_done == final.batches_total and final.tokens_per_second > 0


@pytest.mark.long
def test_an_interrupted_run_goes_on_and_ends_identical(settings, tiny_llama):
    _, ref = publish(settings)
    request = request_for(ref, tiny_llama)
    extract(settings, "whole", request)
    first = session_of(settings, "broken", request, lambda _: None)
    assert first.extract_some(0.0) is True
    first.close()
    second = session_of(settings, "broken", request, lambda _: None)
    while second.extract_some(0.0):
        second.close()
        second = session_of(settings, "broken", request, lambda _: None)
    assert second.derive_some() is True
    second.close()
    third = session_of(settings, "broken", request, lambda _: None)
    while third.derive_some():
        pass
    third.publish()
    assert contents(settings, "broken") == contents(settings, "whole")
    again = session_of(settings, "broken", request, lambda _: None)
    assert not again.extract_some(0.0) and not again.derive_some()
    assert again.publish().exists()


def test_a_run_begun_by_a_version_with_other_batches_keeps_what_it_has(
    settings, tiny_llama, monkeypatch
):
    study, ref = publish(settings)
    request = request_for(ref, tiny_llama)
    extract(settings, "whole", request)
    with monkeypatch.context() as before:
        # Each text apart, shortest first.
        before.setattr(
            "backend.extraction.planned.plan_batches",
            lambda texts, *_: tuple(
                Batch((index,), len(texts[index]))
                for index in sorted(range(len(texts)), key=lambda index: len(texts[index]))
            ),
        )
        old = session_of(settings, "broken", request, lambda _: None)
        for _ in range(3):
            old.extract_some(0.0)
        old.close()
    reports = []
    new = session_of(settings, "broken", request, reports.append)
    new.prepare()
    assert (reports[-1].done, reports[-1].batches_done) == (3, 3)
    new.extract_some(0.0)
    new.close()
    new = session_of(settings, "broken", request, reports.append)
    while new.extract_some(0.0) or new.derive_some():
        pass
    new.publish()
    assert reports[-1].done == reports[-1].total == len(study.prompts) + len(study.responses)
    assert reports[-1].batches_done == reports[-1].batches_total
    assert apart(settings, "broken", "whole") < 1e-5


def apart(settings, one, other):
    """Largest difference of a coordinate of two runs, relative to the largest of its vector."""
    found = []
    for name in (one, other):
        with reading_run(settings, name) as connection:
            found.append(
                np.concatenate(
                    [
                        matrix_of(
                            connection,
                            f"SELECT activation FROM {kind}_activations ORDER BY layer, {kind}_id",
                            [],
                        )
                        for kind in ("prompt", "response")
                    ]
                )
            )
    a, b = found
    assert a.shape == b.shape
    return (np.abs(a - b).max(1) / np.abs(b).max(1)).max()


def test_batch_size_changes_no_number_beyond_rounding(settings, tiny_llama):
    _, ref = publish(settings)
    extract(settings, "small", request_for(ref, tiny_llama, batch_tokens=1))
    extract(settings, "large", request_for(ref, tiny_llama, batch_tokens=4096))
    assert apart(settings, "small", "large") < 1e-5


def test_another_model_cannot_continue_a_run(settings, tiny_llama, tiny_folders):
    _, ref = publish(settings)
    session = session_of(settings, "run", request_for(ref, tiny_llama), lambda _: None)
    session.extract_some(0.0)
    session.close()
    other = session_of(settings, "run", request_for(ref, tiny_folders["qwen2"]), lambda _: None)
    with pytest.raises(StoreError, match="begun with another weights_hash"):
        other.extract_some(0.0)
    other.close()


def test_a_request_that_cannot_be_met_leaves_nothing(settings, tiny_llama, monkeypatch):
    _, ref = publish(settings)
    with pytest.raises(LayerOutOfRange, match="layers \\[9\\] do not exist"):
        extract(settings, "run", request_for(ref, tiny_llama, layers=(1, 9)))
    monkeypatch.setattr("backend.models.load._chat_template", _no_template)
    with pytest.raises(MissingChatTemplate):
        extract(settings, "run", request_for(ref, tiny_llama))
    assert list(settings.work.iterdir()) == list(settings.runs.iterdir()) == []


def test_a_study_without_traits_is_refused_before_anything_starts(settings, tiny_llama):
    study = dataclasses.replace(small_study(), traits={}, prompts=(), responses=())
    ref = publish_study(settings, study, content_hash(study))
    with pytest.raises(ExtractionError, match="small has no trait"):
        session_of(settings, "run", request_for(ref, tiny_llama), lambda _: None).derive_some()
    assert list(settings.work.iterdir()) == list(settings.runs.iterdir()) == []


def test_a_layer_of_which_nothing_is_derived_ends_the_job(settings, tiny_llama, monkeypatch):
    _, ref = publish(settings, scenarios=4)
    monkeypatch.setattr("backend.runs.derive.layer_tables", lambda *_: {})
    session = session_of(settings, "run", request_for(ref, tiny_llama), lambda _: None)
    while session.extract_some(60.0):
        pass
    with pytest.raises(StoreError, match="Nothing was stored of layer 0 of run"):
        session.derive_some()
    session.close()


def _no_template(*_, **__):
    raise MissingChatTemplate("none", expected="one", remedy="get one")


def test_levels_and_geometry_only(settings, tiny_llama):
    study, ref = publish(settings, name="level", turns=False)
    extract(settings, "level", request_for(ref, tiny_llama))
    found = cells(settings, "level", "warmth")
    assert {cell.target for cell in found} == {"level"}
    assert found[0].correlation.n == len(study.responses)
    _, ref = publish(settings, name="bare", scenarios=0)
    extract(settings, "bare", request_for(ref, tiny_llama))
    found = cells(settings, "bare", "warmth")
    assert found[0].correlation.value is None and "at least 3" in found[0].correlation.reason
    assert found[0].metrics["separation"].value > 0


@pytest.mark.slow
def test_killed_with_nine_and_started_again_gives_identical_numbers(settings, tiny_llama):
    _, ref = publish(settings, scenarios=60)
    request = request_for(ref, tiny_llama, batch_tokens=40)
    extract(settings, "whole", request)
    command = [
        sys.executable,
        "-m",
        "backend",
        "extract",
        "--study",
        ref.key,
        "--model",
        str(tiny_llama),
        "--layers",
        "0,1,3",
        "--batch-tokens",
        "40",
        "--fresh",
        "--run-id",
        "killed",
    ]
    environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
    work = settings.work / "killed.duckdb"
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not work.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.35)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert contents(settings, "killed") == contents(settings, "whole")
