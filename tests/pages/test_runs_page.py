"""The Runs page: forecasts, a new prompt set, logs, deletion and the comparison of two runs."""

from __future__ import annotations

import dataclasses

import pytest

from backend.jobs.logs import add_to_log, log_path
from backend.jobs.queue import JobQueue
from backend.jobs.workers import WorkerSlot, WorkerTable
from backend.models.presets import Preset
from backend.store.catalog import run_list
from backend.store.note import About, note_list, publish_note
from backend.store.run import list_run_ids
from backend.store.study import list_studies, load_study
from backend.types import ExtractionRequest
from backend.views.runs import number_types
from backend.views.runs.comparison import compare
from backend.views.runs.forecast import forecast
from backend.views.runs.prompt_sets import results_by_set, set_rows
from backend.views.runs.tables import forecast_rows
from backend.views.runs.words import answer, sentences
from pages.shared import run_form
from tests.support.pages import as_read, opened, words
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/runs.py"


def with_second_set(study):
    """The study with a second set of the same prompts, each with a word more."""
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    return dataclasses.replace(study, prompts=study.prompts + other)


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def field(app, label):
    return next(f for f in [*app.text_input, *app.text_area, *app.selectbox] if f.label == label)


def test_a_note_on_a_run_is_written_and_shown_beside_its_cells_notes(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    publish_note(store, About("cell", ref.key, "run-1", "haste", "default", 2), "of a cell")
    app = opened(PAGE)
    assert "of a cell" in [text.value for text in app.text]
    field(app, "Note").set_value("of the run")
    press(app, "Save note")
    assert [note.about.kind for note in note_list(store).notes] == ["cell", "run"]
    assert "of the run" in [text.value for text in app.text]


def test_the_forecast_is_shown_before_starting_and_follows_the_layers(
    store, tiny_llama, monkeypatch
):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    # AppTest can choose what is offered and cannot type another model.
    offered = Preset(str(tiny_llama), "tiny", "org/tiny", depth=3, width=64)
    monkeypatch.setattr(run_form, "PRESETS", (offered,))
    monkeypatch.setattr(run_form, "DEFAULT_MODEL", str(tiny_llama))
    app = opened(PAGE)
    app.text_input(key="form_layers").set_value("1-3").run()
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2, 3))
    rows = forecast_rows(forecast(store, request, run_list(store).runs))
    for row in rows[:2]:
        assert f"{row['what']}: **{row['estimate']}**" in words(app)
    assert "counted by an earlier run" in words(app)
    app.selectbox(key="form_engine").select("ray").run()
    app.number_input(key="form_workers").set_value(2).run()
    assert not app.exception, app.exception
    # What a run took in one process says nothing of a cluster.
    assert "no earlier run of this model by the engine ray" in words(app)
    press(app, "Start extraction")
    press(app, "Start extraction")  # asks for what is on its way
    queue = JobQueue(store)
    (job,) = queue.jobs()
    assert (job.request.engine, job.request.workers) == ("ray", 2)
    app.selectbox(key="form_engine").select("vllm").run()
    app.number_input(key="form_tensor").set_value(4).run()
    assert "earlier runs are looked through at start" in words(app)
    press(app, "Start extraction")
    (split,) = [job.request for job in queue.jobs() if job.request.engine == "vllm"]
    assert (split.workers, split.tensor_parallel, split.pipeline_parallel) == (0, 4, 1)
    queue.close()
    app.text_input(key="form_layers").set_value("1-7").run()
    assert "Layer 7 does not exist" in words(app)


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_offered_where_the_cpu_multiplies_it(store, tiny_llama, monkeypatch, there):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    offered = Preset(str(tiny_llama), "tiny", "org/tiny", depth=3, width=64)
    monkeypatch.setattr(run_form, "PRESETS", (offered,))
    monkeypatch.setattr(run_form, "DEFAULT_MODEL", str(tiny_llama))
    monkeypatch.setattr(number_types, "multiplies_bfloat16", lambda: there)
    app = opened(PAGE)
    app.text_input(key="form_layers").set_value("1-3").run()
    command = f"python -m backend precision --study {ref.key} --model {tiny_llama} --layers 1-3"
    assert (command in [code.value for code in app.code]) is there
    app.selectbox(key="form_dtype").select("bfloat16").run()
    assert command not in [code.value for code in app.code]
    assert not app.exception, app.exception


@pytest.mark.parametrize("name", ["org/<b>bold</b>", "org/a\nb", "  "])
def test_a_model_that_no_machine_could_use_is_refused_before_it_is_queued(
    store, tiny_llama, monkeypatch, name
):
    publish_run(store, small_study(), tiny_llama, "run-1")
    monkeypatch.setattr(run_form, "PRESETS", (Preset(name, "odd", "org/odd", depth=3, width=64),))
    monkeypatch.setattr(run_form, "DEFAULT_MODEL", name)
    app = opened(PAGE)
    said = "No model is named." if not name.strip() else "a name that charts and files cannot show"
    assert said in words(app)
    press(app, "Start extraction")
    assert said in words(app)
    queue = JobQueue(store)
    assert queue.jobs() == ()
    queue.close()


def test_a_new_prompt_set_is_written_kept_and_chosen(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE, runs_view="prompts", prompts_trait="warmth")
    field(app, "warmth, high: one prompt a line").set_value("so glad\nhow kind\n\nwell done")
    field(app, "Name of the set").set_value("brief")
    press(app, "Check and add the set")
    assert "The set is in the new revision" in app.success[0].value
    assert app.session_state["runs_view"] == "extract"
    (new,) = [found for found in list_studies(store) if found != ref]
    assert app.session_state["study"] == new.key and app.session_state["prompts"] == "brief"
    texts = {
        (p.trait, p.pole): [] for p in load_study(store, new).prompts if p.prompt_set == "brief"
    }
    for p in load_study(store, new).prompts:
        if p.prompt_set == "brief":
            texts[p.trait, p.pole].append(p.text)
    assert texts["warmth", "high"] == ["so glad", "how kind", "well done"]
    old = [p for p in small_study().prompts if (p.trait, p.pole) != ("warmth", "high")]
    for key in texts.keys() - {("warmth", "high")}:
        assert texts[key] == [p.text for p in old if (p.trait, p.pole) == key]


def test_what_was_typed_for_one_trait_is_kept_while_another_is_written(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE, runs_view="prompts", prompts_trait="warmth")
    field(app, "warmth, low: one prompt a line").set_value("go away\nno").run()
    field(app, "Trait to write").set_value("haste").run()
    field(app, "Trait to write").set_value("warmth").run()
    assert field(app, "warmth, low: one prompt a line").value == "go away\nno"
    assert "Changed so far: warmth." in words(app)


def test_faults_of_a_new_set_are_listed_at_once_and_nothing_is_kept(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE, runs_view="prompts", prompts_trait="warmth")
    field(app, "warmth, high: one prompt a line").set_value("same\nsame")
    field(app, "Name of the set").set_value("default")
    press(app, "Check and add the set")
    assert "3 faults" in words(app) and not app.success
    table = app.dataframe[0].value
    assert any("has a prompt set 'default' already" in what for what in table["what"])
    assert any("stands on line 1" in what for what in table["what"])
    assert list_studies(store) == (ref,)
    assert field(app, "warmth, high: one prompt a line").value == "same\nsame"


def test_a_set_without_a_name_gives_one_message(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE, runs_view="prompts")
    press(app, "Check and add the set")
    assert [error.value for error in app.error] == [
        "**1 fault in the study. Nothing was imported.**"
    ]
    assert not app.success and "new revision **" not in words(app)


def test_the_comparison_shows_what_the_query_says(store, tiny_llama):
    publish_run(store, small_study(scenarios=20), tiny_llama, "run-1")
    publish_run(store, with_second_set(small_study(scenarios=20)), tiny_llama, "run-2")
    app = opened(PAGE, runs_view="compare", compare_layer="2")
    runs, sets = ("run-1", "run-2"), ("default", "other")
    expected = results(store).of_runs(compare, runs, sets, 2)
    for sentence in sentences(expected):
        assert sentence in words(app)
    assert "prompt set: default → other" in words(app)
    assert answer(expected) in words(app) and "things differ" not in words(app)
    prompts = opened(PAGE, runs_view="compare", compare_layer="2", compare_view="prompts")
    assert len(prompts.dataframe) == 2
    assert set(prompts.dataframe[0].value["change"]) == {"− removed", "+ added"}
    app = opened(PAGE, runs_view="compare", run_a="run-2", set_a="other", run_b="run-2")
    assert "prompt set: other" not in words(app) and "the same" in words(app)
    app = opened(PAGE, runs_view="compare", run_a="run-2", set_a="default", set_b="other")
    shown = [frame.value.to_dict("records") for frame in app.dataframe]
    assert set_rows(results(store).of_run(results_by_set, "run-2")) in shown


def test_one_run_has_nothing_to_compare_with(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    assert "needs two runs" in words(opened(PAGE, runs_view="compare"))


def test_a_run_is_compared_with_the_one_before_it_by_one_click(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    publish_run(store, with_second_set(small_study()), tiny_llama, "run-2")
    app = opened(PAGE, just_ended=["run-2"])
    assert "**run-2** is published" in words(app)
    press(app, "Compare with the previous run")
    state = app.session_state
    assert (state["run_a"], state["set_a"]) == ("run-1", "default")
    assert (state["run_b"], state["set_b"]) == ("run-2", "other")
    assert "traits changed: " in words(app)


def test_a_run_is_deleted_for_good(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE)
    assert "Its activations are read-only" in words(app)
    press(app, "Delete it for good")
    assert list_run_ids(store) == ()
    assert "No extraction has ended yet." in words(app)


def test_queued_jobs_say_what_they_wait_for_and_show_their_logs(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    queue = JobQueue(store)
    for run_id in ("first", "second"):
        queue.enqueue(ExtractionRequest(ref.key, str(tiny_llama), (1,)), run_id=run_id)
    add_to_log(store, "first", "loading the model")
    app = opened(PAGE)
    bars = " ".join(bar.label for bar in app.get("progress") if hasattr(bar, "label"))
    shown = bars or " ".join(str(bar.proto.text) for bar in app.get("progress"))
    assert "**second**: queued, behind first (queued)" in as_read(shown)
    assert "**first**: queued, waiting for a worker" in shown
    assert any(e.label == "Log of first" for e in app.expander)
    assert "loading the model" in " ".join(code.value for code in app.code)
    queue.cancel("first")
    press(opened(PAGE), "Remove")
    assert not log_path(store, "first").exists()
    queue.close()


def test_workers_of_all_machines_are_shown_and_what_a_model_of_one_waits_for(
    store, tiny_llama, tmp_path, monkeypatch
):
    """On a queue outside the cache there can be several."""
    url = f"sqlite:///{tmp_path / 'queue.sqlite'}"
    settings = dataclasses.replace(store, queue_url=url)
    queue = JobQueue(settings)
    # This one gives no further signs, however long the page takes.
    monkeypatch.setattr(WorkerTable.live, "__defaults__", (3600.0,))
    monkeypatch.setenv("STEERSCOPE_QUEUE_URL", url)
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    queue.enqueue(ExtractionRequest(ref.key, "/data/model", (1,)), run_id="waits")
    slot = WorkerSlot(settings)
    app = opened(PAGE)
    assert "1 worker on 1 machine. If nothing is heard of a worker for 30 seconds" in words(app)
    (frame,) = [frame.value for frame in app.dataframe if "machine" in frame.value]
    assert list(frame["worker"]) == [slot.name] and list(frame["works on"]) == ["nothing"]
    bars = " ".join(str(bar.proto.text) for bar in app.get("progress"))
    assert "waiting for a worker on a machine that has /data/model" in as_read(bars)
    slot.release()
    assert "No worker is running" in words(opened(PAGE))
    queue.close()


@pytest.mark.parametrize("view", ["prompts", "compare"])
def test_every_part_opens_on_an_empty_store(store, view):
    app = opened(PAGE, runs_view=view)
    assert app.info


def test_a_started_job_is_shown_under_its_button_and_on_every_page(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGE)
    press(app, "Start extraction")
    queue = JobQueue(store)
    (job,) = queue.jobs()
    bars = [as_read(str(bar.proto.text)) for bar in app.get("progress")]
    assert sum(job.run_id in bar for bar in bars) == 2  # in the list, and under the button
    assert f"{job.run_id}: waiting" in words(opened("pages/scorecard.py"))
    queue.cancel(job.run_id)
    assert job.run_id not in words(opened("pages/scorecard.py"))
    queue.close()


def test_a_finished_run_offers_its_comparison_on_every_page(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    queue = JobQueue(store)  # makes the queue
    publish_run(store, with_second_set(small_study()), tiny_llama, "run-2")
    app = opened("pages/scorecard.py", **{"jobs followed": {"run-2": "run-2"}})
    assert "run-2 is ready" in words(app)
    assert any(button.label == "Compare with the previous run" for button in app.button)
    press(app, "Dismiss")
    assert "run-2 is ready" not in words(app)
    queue.close()


def test_looking_at_pages_makes_no_queue(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    opened("pages/scorecard.py")
    assert not store.has_queue()
