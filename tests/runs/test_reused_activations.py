"""Activations that earlier runs hold are taken, exactly, and no others."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import cache

import duckdb
import numpy as np
import pytest

from backend.core.metrics import registry
from backend.core.metrics.measured import Measured
from backend.errors import NoRoom
from backend.extraction.local_engine import LocalEngine
from backend.runs import preparation
from backend.runs.reuse import find_reuse
from backend.runs.session import session_of
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.connection import matrix_of
from backend.store.run import delete_run, open_run, run_path
from backend.store.source_run import SourceRun
from backend.store.study import publish_study
from backend.studies.dropped_prompts import without_prompts
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Message, Prompt, Response
from tests.support.kept import kept_store
from tests.support.raw import reading_run
from tests.support.studies import chat_study, small_study

STUDY = small_study(scenarios=10)
TEXTS = len(STUDY.prompts) + len(STUDY.responses)
# What a batch's padding may change, as in test_session.
ROUNDING = 1e-5
KEYED = ("correlations", "best_layers", "metrics", "influences", "controls", "subsampling")


def extract(settings, study, model, run_id, **values):
    """Extract a study; returns the stages that were told."""
    ref = publish_study(settings, study, content_hash(study))
    values = {"layers": (1, 2), "batch_tokens": 64} | values
    request = ExtractionRequest(study=ref.key, model=str(model), **values)
    stages = []
    session_of(settings, run_id, request, lambda progress: stages.append(progress.stage)).run()
    return stages


def reused(settings, run_id):
    return dict(run_summary(settings, run_id).record.reused)


@pytest.fixture(scope="module")
def source(tiny_llama):
    """A store with the small study's run, which tests copy."""
    made = kept_store()
    extract(made, STUDY, tiny_llama, "source")
    return made


@pytest.fixture
def store(settings, source):
    """A store of the test's own that holds the small study's run."""
    shutil.copytree(source.cache, settings.cache, dirs_exist_ok=True)
    return settings


@cache
def _store_of(*_: object) -> Settings:
    return kept_store()


def fully_extracted(study, model, **values):
    """A store with a full extraction, made once for all tests that compare with it."""
    made = _store_of(study.name, content_hash(study), str(model), *values.items())
    if not run_path(made, "full").exists():
        extract(made, study, model, "full", **values)
    return made


def compare(settings, run_id, study, model, **values):
    """The run beside a full extraction in another store: activations and everything derived."""
    fresh = fully_extracted(study, model, **values)
    with reading_run(settings, run_id) as one, reading_run(fresh, "full") as other:
        for kind in ("prompt", "response"):
            query = f"SELECT activation FROM {kind}_activations ORDER BY layer, {kind}_id"
            a, b = matrix_of(one, query, []), matrix_of(other, query, [])
            assert a.shape == b.shape
            assert (np.abs(a - b).max(1) / np.abs(b).max(1)).max() < ROUNDING
            rest = f"SELECT {kind}_id, layer, tokens FROM {kind}_activations ORDER BY ALL"
            assert one.execute(rest).fetchall() == other.execute(rest).fetchall()
            measured = f"SELECT norm, first_norm, first_share FROM {kind}_activations"
            measured += f" ORDER BY layer, {kind}_id"
            np.testing.assert_allclose(
                np.array(one.execute(measured).fetchall(), float),
                np.array(other.execute(measured).fetchall(), float),
                rtol=1e-4,
                atol=1e-6,
            )
        for table in KEYED:
            _same_rows(table, one, other)
        for table in ("gram", "alignment", "moments", "vectors", "projections", "behaviours"):
            query = f"SELECT count(*) FROM {table}"
            assert one.execute(query).fetchall() == other.execute(query).fetchall(), table
    assert run_summary(settings, run_id).record.notices == run_summary(fresh, "full").record.notices


def _same_rows(table, one, other):
    """Rows with the same keys, and numbers that differ by what rounding of activations does."""
    columns = [row[0] for row in one.execute(f"DESCRIBE {table}").fetchall()]
    kinds = {row[0]: row[1] for row in one.execute(f"DESCRIBE {table}").fetchall()}
    keys = [name for name in columns if kinds[name] in ("VARCHAR", "INTEGER")]
    numbers = [name for name in columns if kinds[name] == "DOUBLE"]
    order = [name for name in columns if name in _KEYS]
    query = f"SELECT {', '.join(keys + numbers)} FROM {table} ORDER BY {', '.join(order)}"
    a, b = one.execute(query).fetchall(), other.execute(query).fetchall()
    assert [row[: len(keys)] for row in a] == [row[: len(keys)] for row in b], table
    np.testing.assert_allclose(
        np.array([row[len(keys) :] for row in a], float),
        np.array([row[len(keys) :] for row in b], float),
        rtol=5e-3,
        atol=5e-3,
        err_msg=table,
    )


_KEYS = ("method", "trait", "prompt_set", "layer", "name", "prompt_id", "kind", "size")


def reworded():
    """The study with a second set of prompts of its own."""
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in STUDY.prompts
    )
    return dataclasses.replace(STUDY, prompts=STUDY.prompts + other)


def rescored():
    turned = tuple(
        dataclasses.replace(r, scores={t: 10 - s for t, s in r.scores.items()})
        for r in STUDY.responses
    )
    return dataclasses.replace(STUDY, responses=turned)


def rescored_in_one_trait():
    turned = tuple(
        dataclasses.replace(r, scores=r.scores | {"haste": 10 - r.scores["haste"]})
        for r in STUDY.responses
    )
    return dataclasses.replace(STUDY, responses=turned)


def described():
    return dataclasses.replace(STUDY, traits={"warmth": "kind to others", "haste": ""})


def longer():
    more = tuple(
        Response("new", f"Stay {turn} a while.", turn, "author", (Message("user", "Go?"),),
                 {"warmth": 3.0, "haste": 4.0})
        for turn in ("t1", "tN")
    )  # fmt: skip
    return dataclasses.replace(STUDY, responses=STUDY.responses + more)


@pytest.mark.parametrize(
    ("study", "new"),
    [
        (without_prompts(STUDY, [3]), 0),
        (reworded(), len(STUDY.prompts)),
        (rescored(), 0),
        (rescored_in_one_trait(), 0),
        (described(), 0),
        (longer(), 2),
    ],
    ids=["dropped", "new set", "scores", "scores of one trait", "description", "response"],
)
def test_only_what_is_new_is_extracted_and_the_rest_is_exact(store, tiny_llama, study, new):
    stages = extract(store, study, tiny_llama, "next")
    total = len(study.prompts) + len(study.responses)
    told = f"{new} of {total} texts to extract; the others are taken from run source"
    assert told in stages
    assert ("loading the model" in stages) == (new > 0)
    assert reused(store, "next") == {"source": total - new}
    with reading_run(store, "next") as connection:
        planned = "SELECT coalesce(sum(len(prompt_ids) + len(response_ids)), 0) FROM batches"
        assert connection.execute(planned).fetchall() == [(new,)]
    compare(store, "next", study, tiny_llama)


def test_fewer_layers_are_taken_and_others_are_not(store, tiny_llama):
    extract(store, STUDY, tiny_llama, "fewer", layers=(2,))
    assert reused(store, "fewer") == {"source": TEXTS}
    compare(store, "fewer", STUDY, tiny_llama, layers=(2,))
    extract(store, STUDY, tiny_llama, "others", layers=(2, 3))
    assert reused(store, "others") == {}


@pytest.mark.parametrize(
    ("name", "value"), [("pooling", "last"), ("dtype", "bfloat16"), ("fresh", True)]
)
def test_another_request_takes_nothing(store, tiny_llama, name, value):
    extract(store, STUDY, tiny_llama, "next", **{name: value})
    assert reused(store, "next") == {}


def _edit_weights(folder):
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"] = weights["model.norm.weight"] * 2
    save_file(weights, path, {"format": "pt"})


def _edit_tokenizer(folder):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")), indent=1), "utf-8")


def _edit_template(folder):
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text("utf-8").replace("<|end|>", "<|end|><|end|>"), "utf-8")


def _edit_config(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8")) | {"rms_norm_eps": 0.1}
    path.write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize("edit", [_edit_weights, _edit_tokenizer, _edit_template, _edit_config])
def test_another_model_takes_nothing(store, tiny_llama, tmp_path, edit):
    folder = tmp_path / "edited"
    shutil.copytree(tiny_llama, folder)
    extract(store, STUDY, folder, "copy")
    assert reused(store, "copy") == {"source": TEXTS}
    delete_run(store, "copy")
    edit(folder)
    extract(store, STUDY, folder, "next")
    assert reused(store, "next") == {}


def test_a_response_in_another_conversation_is_another_text(store, tiny_llama):
    first = STUDY.responses[0]
    other = dataclasses.replace(first, messages=(Message("user", "Something else."),))
    study = dataclasses.replace(STUDY, responses=(other, *STUDY.responses[1:]))
    assert f"1 of {TEXTS} texts to extract; the others are taken from run source" in extract(
        store, study, tiny_llama, "next"
    )


def test_a_prompt_in_another_chat_is_another_text(store, tiny_llama):
    chats = chat_study("small", scenarios=10)
    extract(store, chats, tiny_llama, "chats")
    assert reused(store, "chats") == {"source": len(STUDY.responses)}
    compare(store, "chats", chats, tiny_llama)
    extract(store, without_prompts(chats, [0]), tiny_llama, "dropped")
    assert reused(store, "dropped") == {"chats": TEXTS - 1}


@pytest.mark.long
def test_several_runs_give_what_each_has(store, tiny_llama):
    extract(store, longer(), tiny_llama, "longer")
    delete_run(store, "source")
    half = dataclasses.replace(STUDY, name="half", responses=())
    extract(store, half, tiny_llama, "half", fresh=True)
    study = dataclasses.replace(
        longer(), prompts=(*STUDY.prompts, Prompt("warmth", "high", "so kind"))
    )
    extract(store, study, tiny_llama, "next")
    assert reused(store, "next") == {"longer": TEXTS + 2}
    compare(store, "next", study, tiny_llama)


def test_neither_torch_nor_the_model_is_loaded_for_known_texts(store, tiny_llama):
    dropped = without_prompts(STUDY, [1])
    ref = publish_study(store, dropped, content_hash(dropped))
    code = (
        "import sys\n"
        "from backend.runs.session import session_of\n"
        "from backend.settings import load_settings\n"
        "from backend.types import ExtractionRequest\n"
        f"request = ExtractionRequest({ref.key!r}, {str(tiny_llama)!r}, (1, 2))\n"
        "session_of(load_settings(), 'next', request, lambda _: None).run()\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    environment = os.environ | {"STEERSCOPE_CACHE": str(store.cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert reused(store, "next") == {"source": TEXTS - 1}


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
def test_a_source_that_is_lost_meanwhile_is_extracted(store, tiny_llama, monkeypatch, harm):
    study, path, real = without_prompts(STUDY, [3]), run_path(store, "source"), find_reuse
    content = bytearray(path.read_bytes())
    for place in range(20_000, len(content), 4096):
        content[place : place + 16] = b"\xff" * 16

    def found_and_lost(*arguments):
        found = real(*arguments)
        if harm == "deleted":
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(bytes(content))
        return found

    monkeypatch.setattr(preparation, "find_reuse", found_and_lost)
    stages = extract(store, study, tiny_llama, "next")
    assert f"0 of {TEXTS - 1} texts to extract; the others are taken from run source" in stages
    assert f"{TEXTS - 1} of {TEXTS - 1} texts to extract" in stages
    assert reused(store, "next") == {}
    compare(store, "next", study, tiny_llama)


def test_a_run_that_was_interrupted_goes_on_with_what_it_took(store, tiny_llama):
    study = reworded()
    ref = publish_study(store, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2), batch_tokens=64)
    first = session_of(store, "next", request, lambda _: None)
    assert first.extract_some(0.0)
    first.close()
    delete_run(store, "source")
    second = session_of(store, "next", request, lambda _: None)
    while second.extract_some(0.0):
        second.close()
        second = session_of(store, "next", request, lambda _: None)
    second.close()
    session_of(store, "next", request, lambda _: None).run()
    assert reused(store, "next") == {"source": TEXTS}
    compare(store, "next", study, tiny_llama)


@pytest.mark.parametrize(
    "step",
    ["initialise", "together", "begin_derivation", "carry", "replace", "add_timing", "publish"],
)
def test_killed_in_any_step_and_begun_again_gives_the_same_run(store, tiny_llama, step):
    study = without_prompts(STUDY, [3])
    ref = publish_study(store, study, content_hash(study))
    code = (
        "import os, signal, sys\n"
        "from backend.runs.session import session_of\n"
        "from backend.settings import load_settings\n"
        "from backend.store.work_file import WorkFile\n"
        "from backend.types import ExtractionRequest\n"
        f"real = WorkFile.{step}\n"
        "def dying(*given, **named):\n"
        "    made = real(*given, **named)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return made\n"
        "if sys.argv[1] == 'die':\n"
        f"    WorkFile.{step} = dying\n"
        f"request = ExtractionRequest({ref.key!r}, {str(tiny_llama)!r}, (1, 2))\n"
        "session_of(load_settings(), 'next', request, lambda _: None).run()\n"
    )
    environment = os.environ | {"STEERSCOPE_CACHE": str(store.cache)}
    command = [sys.executable, "-c", code]
    died = subprocess.run([*command, "die"], env=environment, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    subprocess.run([*command, "live"], env=environment, capture_output=True, check=True)
    assert reused(store, "next") == {"source": TEXTS - 1}
    assert list(store.work.glob("next*")) == []
    compare(store, "next", study, tiny_llama)


PROBES = ["logistic_4_2", "logistic_5_3", "logistic_any", "ridge_drift"]


@pytest.fixture
def derived(monkeypatch):
    """Trait and probes that were taken, of each cell that is derived."""
    noted = []
    real = sys.modules["backend.runs.derive"]._fit_to_responses

    def noting(pool, traits, methods, kept):
        noted.extend((own.trait, sorted(m for m, t in kept if t == own.trait)) for own in traits)
        return real(pool, traits, methods, kept)

    monkeypatch.setattr("backend.runs.derive._fit_to_responses", noting)
    return noted


def test_what_stays_as_it_is_is_not_computed_again(store, tiny_llama, derived):
    extract(store, without_prompts(STUDY, [3]), tiny_llama, "next")
    assert derived == [("warmth", PROBES)] * 2
    derived.clear()
    extract(store, described(), tiny_llama, "described")
    assert derived == []
    with open_run(store, "described") as run:
        assert run.derivation_ended() and not run.traits_without_best_layer()
    extract(store, rescored_in_one_trait(), tiny_llama, "rescored")
    assert derived == [("haste", [])] * 2


def prepared_and_closed_and_begun_again(store, study, model):
    """The run of a study, whose first session ended before it had done anything."""
    ref = publish_study(store, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(model), (1, 2))
    first = session_of(store, "next", request, lambda _: None)
    first.prepare()
    first.close()
    session_of(store, "next", request, lambda _: None).run()


def test_a_run_that_was_closed_before_it_took_what_is_derived_takes_it_then(
    store, tiny_llama, derived
):
    study = without_prompts(STUDY, [3])
    prepared_and_closed_and_begun_again(store, study, tiny_llama)
    assert derived == [("warmth", PROBES)] * 2
    compare(store, "next", study, tiny_llama)


def test_a_run_that_was_interrupted_in_its_batches_takes_what_is_derived(
    store, tiny_llama, derived
):
    study = dataclasses.replace(
        STUDY, prompts=(*STUDY.prompts, Prompt("warmth", "high", "so kind"))
    )
    prepared_and_closed_and_begun_again(store, study, tiny_llama)
    assert reused(store, "next") == {"source": TEXTS}
    assert derived == [("warmth", PROBES)] * 2
    compare(store, "next", study, tiny_llama)


@pytest.mark.parametrize("table", ["behaviours", "vectors", "subsampling"])
def test_derived_rows_that_cannot_be_read_are_derived(
    store, tiny_llama, derived, monkeypatch, table
):
    study, real = without_prompts(STUDY, [3]), SourceRun.derived_of

    def damaged(run, wanted, carried):
        if wanted == table:
            raise duckdb.IOException("a block is damaged")
        return real(run, wanted, carried)

    monkeypatch.setattr(SourceRun, "derived_of", damaged)
    extract(store, study, tiny_llama, "next")
    assert reused(store, "next") == {"source": TEXTS - 1}
    assert derived == [("warmth", PROBES)] * 2 + [("haste", [])] * 2
    compare(store, "next", study, tiny_llama)


def test_a_disk_that_is_full_while_derived_rows_are_taken_ends_the_job(
    store, tiny_llama, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    study = without_prompts(STUDY, [3])
    with monkeypatch.context() as patched:
        patched.setattr("backend.store.work_file._derived_taken", full)
        with pytest.raises(NoRoom):
            extract(store, study, tiny_llama, "next")
    extract(store, study, tiny_llama, "next")
    compare(store, "next", study, tiny_llama)


def test_what_another_version_derived_is_not_taken(store, tiny_llama, monkeypatch):
    monkeypatch.setattr("backend.runs.derive.DERIVATION", 99)
    monkeypatch.setattr(preparation, "DERIVATION", 99)
    derived = []
    real = sys.modules["backend.runs.derive"]._fit_to_responses
    monkeypatch.setattr(
        "backend.runs.derive._fit_to_responses",
        lambda *given: derived.extend(own.trait for own in given[1]) or real(*given),
    )
    extract(store, described(), tiny_llama, "next")
    assert reused(store, "next") == {"source": TEXTS}
    assert derived == ["warmth", "haste"] * 2


def test_a_metric_that_is_new_since_then_is_there_for_traits_that_stay_as_they_are(
    store, tiny_llama, monkeypatch
):
    entry = dataclasses.replace(
        registry.METRICS[0],
        name="twice_the_separation",
        compute=lambda cells: Measured.unless(cells, 2 * cells.separation),
        live=False,
    )
    monkeypatch.setattr(registry, "METRICS", [*registry.METRICS, entry])
    extract(store, without_prompts(STUDY, [3]), tiny_llama, "next")
    assert reused(store, "next") == {"source": TEXTS - 1}
    with open_run(store, "next") as run:
        for trait in STUDY.traits:
            for cell in run.cells(trait):
                found = cell.metrics["twice_the_separation"].value
                assert found == pytest.approx(2 * cell.metrics["separation"].value)


def test_a_run_without_kept_tokens_gives_its_activations(store, tiny_llama, monkeypatch):
    asked = []
    real = LocalEngine.prompt_tokens
    monkeypatch.setattr(
        LocalEngine,
        "prompt_tokens",
        lambda engine, prompts: asked.append(len(prompts)) or real(engine, prompts),
    )
    monkeypatch.setattr("backend.store.source_run.PROMPT_TOKENS", "not there")
    extract(store, described(), tiny_llama, "next")
    assert asked == [len(STUDY.prompts)]
    assert reused(store, "next") == {"source": TEXTS}
