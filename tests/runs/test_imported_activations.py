"""Activations that were taken elsewhere make the run that their model would have made."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from backend.cli.main import main
from backend.errors import ImportFault, LayerOutOfRange, ReadOnly, StoreError, UnknownPooling
from backend.extraction.precomputed import OpenPrecomputed
from backend.runs.imported_activations import (
    ActivationChoice,
    UnderstoodActivations,
    import_activations,
    read_activations,
)
from backend.runs.requests import request_like
from backend.runs.tokens import tokens_of
from backend.store.catalog import run_summary
from backend.store.connection import matrix_of
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.views.diagnosis.compute import diagnose_run
from backend.views.imports.activations import understood_activations
from backend.views.prompts.words import tokens_text
from backend.views.scores.links import score_links
from tests.support.raw import reading_run
from tests.support.runs import contents, publish_run
from tests.support.studies import small_study

STUDY = small_study()
LAYERS = (1, 2)
OWN = ActivationChoice("tiny", "mean", "from-1", LAYERS, 3)
# Over how many tokens, and what the first of them is: not known of imported activations.
UNKNOWN = {"prompt_activations": slice(2, 6), "response_activations": slice(2, 6)}


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, STUDY, tiny_llama, "run-1", LAYERS)
    return settings


def taken(settings):
    """What the run's model gave, by plain SQL: kind -> [texts, layers, d] float32."""
    found = {}
    with reading_run(settings, "run-1") as connection:
        for kind in ("prompt", "response"):
            found[f"{kind}s"] = np.stack(
                [
                    matrix_of(
                        connection,
                        f"SELECT activation FROM {kind}_activations WHERE layer = ?"
                        f" ORDER BY {kind}_id",
                        [layer],
                    )
                    for layer in LAYERS
                ],
                axis=1,
            )
    return found


def test_every_derived_number_is_that_of_the_models_own_run(store, tmp_path):
    path = tmp_path / "acts.npz"
    np.savez(path, **taken(store))
    told = []
    assert import_activations(store, path, "small", OWN, told.append, "mine") == "mine"
    own, mine = contents(store, "run-1"), contents(store, "mine")
    for table, rows in own.items():
        left = UNKNOWN.get(table, slice(0, 0))
        # norm is kept: columns id, layer, tokens, norm, first_norm, first_share, activation.
        plain = [row[:2] + row[3:4] + row[6:] if left.stop else row for row in rows]
        others = [row[:2] + row[3:4] + row[6:] if left.stop else row for row in mine[table]]
        assert plain == others, table
    record = run_summary(store, "mine").record
    assert (record.model_source, record.engine, record.width, record.depth) == (
        "imported",
        "imported",
        64,
        3,
    )
    assert "imported from acts.npz" in record.notices[0]
    assert "How many tokens each is over is not known." in record.notices[0]


def table_of(study, order):
    """A row for each text, in an order, by prompt number or scenario."""
    rows = []
    for place in order:
        if place < len(study.prompts):
            rows.append({"prompt": place, "tokens": 5 + place})
        else:
            response = study.responses[place - len(study.prompts)]
            rows.append(
                {
                    "scenario": response.scenario,
                    "turn": response.turn,
                    "responder": response.responder,
                    "tokens": 7 + place,
                }
            )
    return rows


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def drawn():
    """Random activations of the study's texts at layers 0 to 3, [texts, 4, 5]."""
    texts = len(STUDY.prompts) + len(STUDY.responses)
    return np.random.default_rng(2).normal(size=(texts, 4, 5))


def test_rows_are_matched_by_id_whatever_their_order(tmp_path, drawn):
    order = np.random.default_rng(7).permutation(len(drawn))
    save_file({"x": drawn[order].astype(np.float32)}, tmp_path / "a.safetensors")
    rows = table_of(STUDY, [int(place) for place in order])
    table = write_jsonl(tmp_path / "t.jsonl", rows)
    choice = ActivationChoice("m", "last", "from-1", texts=table)
    found = read_activations(tmp_path / "a.safetensors", STUDY, choice)
    assert np.array_equal(found.activations, drawn.swapaxes(0, 1).astype(np.float32))
    assert (found.layers, found.depth, found.pooling) == ((0, 1, 2, 3), 3, "last")
    first = len(STUDY.prompts)
    assert found.tokens == tuple(
        5 + place if place < first else 7 + place for place in range(len(drawn))
    )


def test_rows_are_matched_by_text_where_it_is_the_only_one(tmp_path, drawn):
    texts = [prompt.text for prompt in STUDY.prompts] + [r.text for r in STUDY.responses]
    np.savez(tmp_path / "a.npz", drawn[::-1])
    rows = [{"text": text} for text in reversed(texts)]
    choice = ActivationChoice("m", "mean", "from-1", texts=write_jsonl(tmp_path / "t.jsonl", rows))
    if len(set(texts)) == len(texts):
        found = read_activations(tmp_path / "a.npz", STUDY, choice)
        assert np.array_equal(found.activations, drawn.swapaxes(0, 1).astype(np.float32))
        assert found.tokens is None
    twice = dataclasses.replace(
        STUDY, prompts=(*STUDY.prompts, dataclasses.replace(STUDY.prompts[0], prompt_set="b"))
    )
    with pytest.raises(ImportFault, match="The study has 2 texts of the text"):
        read_activations(tmp_path / "a.npz", twice, choice)


@pytest.mark.parametrize(
    ("numbering", "numbers", "depth", "kept", "layers"),
    [
        ("from-1", (), None, [0, 1, 2, 3], (0, 1, 2, 3)),
        ("from-0", (), None, [0, 1, 2, 3], (1, 2, 3, 4)),
        # The last is after the final norm.
        ("hidden-states", (), None, [0, 1, 2], (0, 1, 2)),
        ("hidden-states", (5, 6, 7, 8), 8, [0, 1, 2], (5, 6, 7)),
        ("from-0", (5, 6, 7, 8), 12, [0, 1, 2, 3], (6, 7, 8, 9)),
    ],
)
def test_layers_are_those_of_the_numbering(
    tmp_path, drawn, numbering, numbers, depth, kept, layers
):
    first = len(STUDY.prompts)
    np.savez(tmp_path / "a.npz", prompts=drawn[:first], responses=drawn[first:])
    choice = ActivationChoice("m", "mean", numbering, numbers, depth)
    found = read_activations(tmp_path / "a.npz", STUDY, choice)
    assert found.layers == layers
    last = f"Layer {(numbers or (0, 1, 2, 3))[-1]} of the file is left out"
    assert found.left_out.startswith(last) if len(kept) < 4 else found.left_out == ""
    said = understood_activations(UnderstoodActivations("study", found))
    (*_, notice) = OpenPrecomputed(found).record.notices
    assert (found.left_out in said) and (len(kept) == 4 or notice == found.left_out)
    assert np.array_equal(found.activations, drawn[:, kept].swapaxes(0, 1).astype(np.float32))


def test_the_command_makes_a_run_and_what_needs_a_model_or_tokens_says_so(
    store, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(store.cache))
    np.savez(tmp_path / "acts.npz", **taken(store))
    given = ["import-activations", str(tmp_path / "acts.npz"), "--study", "small"]
    given += ["--model", "tiny", "--pooling", "mean", "--layer-numbering", "from-1"]
    assert main([*given, "--layers", "1-2"]) == 1
    assert "--depth" in capsys.readouterr().err
    assert main([*given, "--layers", "1-2", "--depth", "3", "--run-id", "mine"]) == 0
    assert capsys.readouterr().out == "mine\n"
    assert main(["show", "mine"]) == 0
    said = capsys.readouterr().out
    assert "imported from acts.npz" in said and "not known, read elsewhere" in said
    assert "nothing: all activations are of the imported file" in said
    with pytest.raises(StoreError, match="it is imported"):
        tokens_of(store, "mine", "prompt:0")
    with pytest.raises(StoreError, match="its model is not at hand"):
        request_like(run_summary(store, "mine").record, "small")
    assert not run_summary(store, "mine").has_model and run_summary(store, "run-1").has_model
    with open_run(store, "mine") as run:
        links = score_links(run, "default", "haste", 2)
        (found,) = diagnose_run(run, "default", "haste", 2, store.thresholds)
    judged = {one.cause: one for one in found.judgements}
    assert [row.estimate.value is None for row in links.rows] == [False, True, True, True]
    assert "not known: the activations were imported" in links.rows[1].estimate.reason
    for cause in ("length_confound", "pole_lengths"):
        assert judged[cause].verdict == "undetermined"
        assert "is not known: the activations were imported" in judged[cause].summary
    assert judged["first_token"].verdict == "undetermined"
    assert tokens_text(0) == "number of tokens not known"


def faulty(drawn):
    """What is wrong -> tensors, rows of the table (None: none), and what is said."""
    first = len(STUDY.prompts)
    whole = {"prompts": drawn[:first], "responses": drawn[first:]}
    rows = table_of(STUDY, range(len(drawn)))
    bad = drawn.copy()
    bad[first, 1, 2] = np.nan
    huge = drawn.copy()
    huge[3, 0, 0] = 1e60
    return {
        "count": (whole | {"prompts": drawn[1:first]}, None, f"{first - 1} rows, and the study"),
        "names": ({"x": drawn}, None, "prompts and responses are needed"),
        "nan": (
            {"prompts": bad[:first], "responses": bad[first:]},
            None,
            f"1 of {len(drawn)} texts have values that are not finite",
        ),
        "huge": ({"prompts": huge[:first], "responses": huge[first:]}, None, "prompt 3"),
        "width": (whole | {"responses": drawn[first:, :, :4]}, None, "differ in layers or width"),
        "shape": ({"prompts": drawn[0, 0]}, None, "has the shape [5]"),
        "missing": ({"x": drawn[2:]}, rows[2:], "2 of the study's"),
        "rows": ({"x": drawn[1:]}, rows, f"names {len(drawn)} texts"),
        "twice": ({"x": drawn}, [*rows[:-1], rows[0]], "is named again"),
        "unknown": ({"x": drawn}, [*rows[:-1], {"scenario": "nowhere"}], "scenario 'nowhere'"),
        "number": ({"x": drawn}, [{"prompt": 999}, *rows[1:]], "'999' is no prompt"),
        "tokens": ({"x": drawn}, [{"prompt": 0}, *rows[1:]], "tokens is empty"),
        "column": ({"x": drawn}, [{"prmpt": 0}, *rows[1:]], "prmpt"),
    }


def test_faults_are_sentences_and_keep_nothing(settings, tmp_path, drawn):
    publish_study(settings, STUDY, content_hash(STUDY))
    for name, (tensors, rows, said) in faulty(drawn).items():
        np.savez(tmp_path / "a.npz", **tensors)
        table = None if rows is None else write_jsonl(tmp_path / "t.jsonl", rows)
        choice = ActivationChoice("m", "mean", "from-1", texts=table)
        with pytest.raises(ImportFault) as fault:
            import_activations(settings, tmp_path / "a.npz", "small", choice, print, "r")
        assert said in fault.value.what, (name, fault.value.what)
    first = len(STUDY.prompts)
    np.savez(tmp_path / "a.npz", prompts=drawn[:first], responses=drawn[first:])
    for changed, error in (
        ({"pooling": "best"}, UnknownPooling),
        ({"numbering": "mine"}, ImportFault),
        ({"numbers": (1, 2)}, ImportFault),
        ({"numbers": (1, 2, 3, 4)}, ImportFault),
        ({"numbers": (1, 2, 3, 4), "depth": 3}, LayerOutOfRange),
    ):
        choice = dataclasses.replace(ActivationChoice("m", "mean", "from-1"), **changed)
        with pytest.raises(error):
            import_activations(settings, tmp_path / "a.npz", "small", choice, print, "r")
    with pytest.raises(ReadOnly):
        import_activations(
            dataclasses.replace(settings, read_only=True),
            tmp_path / "a.npz",
            "small",
            ActivationChoice("m", "mean", "from-1"),
            print,
            "r",
        )
    assert list(settings.runs.iterdir()) == [] and list(settings.work.iterdir()) == []


@pytest.mark.parametrize(("groups", "count"), [(1, 12), (1, 30), (2, 30)])
def test_a_study_of_one_or_two_groups_is_derived_and_says_what_they_cannot_tell(
    settings, tmp_path, groups, count
):
    study = small_study(scenarios=count, turns=False)
    responses = [
        dataclasses.replace(response, group=f"g{place % groups}")
        for place, response in enumerate(study.responses)
    ]
    study = dataclasses.replace(study, responses=tuple(responses))
    publish_study(settings, study, content_hash(study))
    drawn = np.random.default_rng(4).normal(size=(len(study.prompts) + count, 2, 5))
    first = len(study.prompts)
    np.savez(tmp_path / "a.npz", prompts=drawn[:first], responses=drawn[first:])
    import_activations(settings, tmp_path / "a.npz", "small", OWN, print, "mine")
    few = f"an interval needs at least 4 groups of dependent cases, not {groups}"
    scores = [response.scores["warmth"] for response in responses]
    rows = drawn[:, 0]
    high, low = rows[:5].mean(axis=0), rows[5:10].mean(axis=0)
    with open_run(settings, "mine") as run:
        (row,) = run.correlations("mean_difference", "warmth", "default", 1)
        (probe,) = run.correlations("ridge_drift", "warmth", "default", 1)
    r = np.corrcoef(rows[first:] @ (high - low), scores)[0, 1]
    assert row.correlation.value == pytest.approx(r, abs=1e-6)
    found = row.correlation
    assert (found.low, found.high, found.p, found.reason) == (None, None, None, few)
    nested = f"nested folds need at least 3 groups of dependent responses, not {groups}"
    why = nested if count >= 20 else f"{count} scored cases; ridge needs 20"
    assert (probe.correlation.value, probe.correlation.reason) == (None, why)
