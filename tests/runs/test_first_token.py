"""From a model with a huge first token to what the run says of it, by every pooling."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.cli.main import main
from backend.errors import SpanNotFound, StoreError
from backend.runs.session import session_of
from backend.store.catalog import run_summary
from backend.store.connection import matrix_of
from backend.store.run import open_run, run_path
from backend.store.study import publish_study
from backend.store.work_file import WorkFile
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Prompt
from backend.views.diagnosis.compute import cell_evidence
from backend.views.diagnosis.rules import first_token
from tests.support.raw import reading_run
from tests.support.studies import small_study
from tests.support.tiny_models import without_bos
from tests.support.views import diagnoses

LAYERS = (0, 2)


@pytest.fixture(scope="module")
def sink_model(tiny_llama, tmp_path_factory):
    """The tiny Llama without a token before the text, and with a huge embedding of ``@``."""
    folder = tmp_path_factory.mktemp("sink")
    tokenizer = without_bos(AutoTokenizer.from_pretrained(tiny_llama))
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    (token,) = tokenizer("@")["input_ids"]
    with torch.no_grad():
        model.get_input_embeddings().weight[token] *= 400
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def publish(settings, **changes):
    study = small_study(scenarios=10)
    prompts = tuple(dataclasses.replace(p, text=f"@{p.text}") for p in study.prompts)
    study = dataclasses.replace(study, **({"prompts": prompts} | changes))
    return study, publish_study(settings, study, content_hash(study))


def extract(settings, run_id, ref, model, pooling):
    request = ExtractionRequest(study=ref.key, model=str(model), layers=LAYERS, pooling=pooling)
    session_of(settings, run_id, request, lambda _: None).run()


def evidence(settings, run_id):
    with open_run(settings, run_id) as run:
        return cell_evidence(run, "warmth", "default", 2, settings.thresholds, layer_given=True)


def judge(settings, run_id):
    return first_token.judge(evidence(settings, run_id), {})


def test_the_run_shows_the_first_token_and_another_pooling_leaves_it_out(settings, sink_model):
    study, ref = publish(settings)
    for pooling in ("mean", "mean_rest", "last"):
        extract(settings, pooling, ref, sink_model, pooling)
    tokenizer = AutoTokenizer.from_pretrained(sink_model)
    model = AutoModelForCausalLM.from_pretrained(sink_model, dtype=torch.float64)
    whole, rest = evidence(settings, "mean"), evidence(settings, "mean_rest")
    with_first, without = whole.first_tokens, rest.first_tokens
    own = [prompt for prompt in study.prompts if prompt.trait == "warmth"]
    for place, prompt in enumerate(own):
        ids = torch.tensor([tokenizer(prompt.text)["input_ids"]])
        with torch.no_grad():
            states = model(ids, output_hidden_states=True).hidden_states[2][0].numpy()
        mean = states.mean(0)
        assert with_first.tokens[place] == len(states) == without.tokens[place] + 1
        share = states[0] @ mean / len(states) / (mean @ mean)
        assert with_first.first.shares[place] == pytest.approx(share, rel=1e-4)
        for found in (with_first, without):
            norm = np.linalg.norm(states[0])
            assert found.first.norms[place] == pytest.approx(norm, rel=1e-4)
        expected = np.linalg.norm(states[1:].mean(0))
        assert rest.gram[place, place] ** 0.5 == pytest.approx(expected, rel=1e-4)
    assert judge(settings, "mean").weight > 1.5
    assert judge(settings, "mean_rest").verdict == "ruled out"
    assert judge(settings, "last").verdict == "ruled out"
    # Responses stand in a chat: their first token is the template's under either pooling.
    assert with_first.response_share == without.response_share == 0
    with reading_run(settings, "mean") as one, reading_run(settings, "mean_rest") as other:
        query = "SELECT activation FROM response_activations ORDER BY layer, response_id"
        np.testing.assert_array_equal(matrix_of(one, query, []), matrix_of(other, query, []))
    assert run_summary(settings, "mean_rest").label.endswith("· mean without the first token")


def test_a_token_before_the_text_keeps_the_first_out_of_the_mean(settings, tiny_llama):
    _, ref = publish(settings)
    extract(settings, "run", ref, tiny_llama, "mean")
    extract(settings, "rest", ref, tiny_llama, "mean_rest")
    judged = judge(settings, "run")
    assert judged.verdict == "ruled out" and "special token" in judged.summary
    np.testing.assert_array_equal(evidence(settings, "run").gram, evidence(settings, "rest").gram)


def test_a_prompt_of_one_token_is_refused_by_name(settings, sink_model):
    study, _ = publish(settings)
    prompts = (*study.prompts, Prompt("warmth", "high", "@"))
    _, ref = publish(settings, prompts=prompts)
    with pytest.raises(SpanNotFound, match=r"1 of 41 texts are one token long.*prompt '@'"):
        extract(settings, "run", ref, sink_model, "mean_rest")
    assert list(settings.work.iterdir()) == []
    extract(settings, "run", ref, sink_model, "mean")


def test_the_command_takes_the_pooling(settings, sink_model, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    _, ref = publish(settings)
    command = ["extract", "--study", ref.key, "--model", str(sink_model), "--layers", "2"]
    assert main([*command, "--pooling", "mean_rest", "--run-id", "r"]) == 0
    assert run_summary(settings, "r").record.pooling == "mean_rest"
    assert main(["diagnose", "r", "--trait", "warmth"]) == 0
    assert "the run pools by mean without the first token" in capsys.readouterr().out
    assert main([*command, "--pooling", "median"]) == 1
    assert "'median' is no pooling" in capsys.readouterr().err


def older(path):
    """Turn a file into one of format 2."""
    connection = duckdb.connect(str(path))
    for table in ("prompt_activations", "response_activations"):
        for column in ("first_norm", "first_share"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.execute("UPDATE file_format SET format = 2")
    connection.close()


def test_a_run_of_the_format_before_is_read_as_not_recorded(settings, sink_model):
    _, ref = publish(settings)
    extract(settings, "run", ref, sink_model, "mean")
    older(run_path(settings, "run"))
    for diagnosis in diagnoses(settings, "run", layer=2):
        judged = next(j for j in diagnosis.judgements if j.cause == "first_token")
        assert judged.verdict == "undetermined" and "not recorded" in judged.summary


def test_an_unfinished_run_of_another_format_is_not_continued(settings, sink_model):
    _, ref = publish(settings)
    request = ExtractionRequest(study=ref.key, model=str(sink_model), layers=LAYERS)
    session = session_of(settings, "run", request, lambda _: None)
    session.prepare()
    session.close()
    older(settings.work / "run.duckdb")
    again = session_of(settings, "run", request, lambda _: None)
    with pytest.raises(StoreError, match="begun in format 2") as fault:
        again.prepare()
    assert "delete work/run.duckdb" in fault.value.remedy
    again.close()
    WorkFile(settings.work / "run.duckdb").close()  # nothing holds it
