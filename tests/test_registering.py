"""A new metric, method, file format, engine, section or page is one file and one line.

Each test registers one while the program runs, and finds it where a user would; for a cause,
tests/views/diagnosis/test_registry.py.
"""

from __future__ import annotations

import dataclasses
import re
from contextlib import contextmanager

import duckdb
import numpy as np
import pytest
from scipy import stats

from backend.core.metrics import registry
from backend.core.metrics.measured import Measured
from backend.core.metrics.registry import SCALE_FREE, PromptMetric
from backend.core.vectors.fitting import from_direction, from_prompts
from backend.core.vectors.methods import METHODS, Method
from backend.core.vectors.pipeline import Pipeline
from backend.exports.report.page import write_report
from backend.exports.report.sections import SECTIONS
from backend.extraction.engine import Batch, PooledBatch, SourceRecord
from backend.runs.engines import ENGINES, EngineKind
from backend.runs.session import session_of
from backend.store.catalog import run_list
from backend.store.run import open_run, run_path
from backend.store.study import publish_study
from backend.studies.foreign.form import ForeignFormat, UnderstoodStudy
from backend.studies.foreign.registry import FOREIGN_FORMATS
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.prompts import PromptPlace
from backend.studies.rows import Record
from backend.studies.tables import FORMATS, FileFormat
from backend.types import ExtractionRequest, Prompt
from backend.views.methods.comparison import method_comparison
from backend.views.prompts.tables import metric_rows
from backend.views.shared.blocks import Section, Text
from backend.views.shared.view import View
from tests.conftest import REPOSITORY
from tests.support.results import results
from tests.support.studies import small_study
from tests.support.study_files import write_study

WIDTH = 12


class WordEngine:
    """Activations that depend on the letters of a text alone."""

    @contextmanager
    def opened(self, study, report):
        yield OpenWords(study)


class OpenWords:
    def __init__(self, study):
        self.texts = [p.text for p in study.prompts] + [r.text for r in study.responses]
        self.batches = (Batch(tuple(range(len(self.texts))), len(self.texts)),)
        self.record = SourceRecord(
            model="words:a",
            model_name="a",
            model_revision="",
            model_source="words",
            weights_hash="",
            tokenizer_hash="",
            chat_template_hash="",
            architecture="words",
            width=WIDTH,
            depth=2,
            layers=(1, 2),
            pooling="mean",
            batch_tokens=0,
            device="cpu",
            dtype="float32",
            engine="words",
            versions={},
        )

    def pool(self, batch):
        rows = [self._row(self.texts[i]) for i in batch.texts]
        return PooledBatch(
            np.stack([rows, 2 * np.array(rows)]).astype(np.float32), (1,) * len(rows), None
        )

    def _row(self, text):
        return np.bincount([ord(letter) % WIDTH for letter in text], minlength=WIDTH)


@pytest.fixture
def words(monkeypatch):
    kind = EngineKind("words", lambda request: request.model.startswith("words:"), made, False)
    monkeypatch.setattr("backend.runs.engines.ENGINES", [kind, *ENGINES])


def made(_, request):
    return WordEngine()


def published(settings):
    study = small_study()
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(ref.key, "words:a", (1, 2))
    session_of(settings, "run-1", request, lambda _: None).run()
    return ref


def test_an_engine_makes_runs_that_every_page_reads(settings, words):
    published(settings)
    (run,) = run_list(settings).runs
    assert (run.record.engine, run.record.width) == ("words", WIDTH)
    with open_run(settings, "run-1") as opened:
        assert all(cell.correlation.n > 0 for cell in opened.cells())


def test_a_metric_is_stored_shown_and_known_to_the_lab(settings, words, monkeypatch):
    entry = PromptMetric(
        name="own_metric",
        title="Twice the separation",
        unit=SCALE_FREE,
        formula="2 ||v||",
        range="[0, ∞)",
        undefined_when="never",
        better="neither",
        compute=lambda cells: Measured.unless(cells, 2 * cells.separation),
        live=True,
    )
    monkeypatch.setattr(registry, "METRICS", [*registry.METRICS, entry])
    published(settings)
    with open_run(settings, "run-1") as run:
        cell = run.cells("warmth")[0]
    assert cell.metrics["own_metric"].value == 2 * cell.metrics["separation"].value
    assert "Twice the separation" in str(metric_rows(cell))
    assert "own_metric" in [metric.name for metric in registry.in_lab()]


def test_a_method_is_derived_and_compared(settings, words, monkeypatch):
    twice = Method("own_method", "Own method", "here", from_prompts(Pipeline()), Pipeline())
    METHODS.append(twice)
    try:
        published(settings)
        compared = results(settings).with_saved(method_comparison, ["run-1"], "default", None)
    finally:
        METHODS.remove(twice)
    plain = compared.grid.results["mean_difference", "warmth"]
    assert compared.grid.results["own_method", "warmth"].correlation == plain.correlation


def test_a_method_of_prompts_that_weighs_none_is_made_of_each_prompt_set(settings, words):
    """Coordinate-wise medians: no weighted sum of prompts, and nothing fitted to responses."""
    study = small_study()
    other = [
        dataclasses.replace(prompt, prompt_set="other", text=f"{prompt.text} {i * 'z'}")
        for i, prompt in enumerate(study.prompts)
    ]
    study = dataclasses.replace(study, prompts=(*study.prompts, *other))

    def medians(given):
        rows = given.prompts[given.group.members]
        high, low = (np.median(rows[own], axis=0) for own in (given.group.high, ~given.group.high))
        return high - low

    own = Method("medians", "Medians", "here", from_direction(medians))
    METHODS.append(own)
    try:
        ref = publish_study(settings, study, content_hash(study))
        request = ExtractionRequest(ref.key, "words:a", (1, 2))
        session_of(settings, "run-1", request, lambda _: None).run()
    finally:
        METHODS.remove(own)
    words_of = OpenWords(study)
    rows = np.array([words_of._row(text) for text in words_of.texts], float)
    prompts, responses = rows[: len(study.prompts)], rows[len(study.prompts) :]
    with open_run(settings, "run-1") as run:
        for name in ("default", "other"):
            of = {
                pole: [
                    i
                    for i, p in enumerate(study.prompts)
                    if (p.trait, p.pole, p.prompt_set) == ("warmth", pole, name)
                ]
                for pole in ("high", "low")
            }
            v = np.median(prompts[of["high"]], axis=0) - np.median(prompts[of["low"]], axis=0)
            (stored,) = run.vectors(name, [("warmth", "medians", 1)])
            np.testing.assert_allclose(stored.values, v, atol=1e-6)
            drift = np.diff((responses @ v / np.linalg.norm(v)).reshape(-1, 2), axis=1)[:, 0]
            scores = np.diff([[r.scores["warmth"]] for r in study.responses], axis=0)[::2, 0]
            expected = stats.pearsonr(drift, scores).statistic
            assert stored.correlation.value == pytest.approx(expected, abs=1e-6)
    with duckdb.connect(str(run_path(settings, "run-1")), read_only=True) as connection:
        kept = connection.sql("SELECT DISTINCT held_out FROM projections WHERE method = 'medians'")
        assert kept.fetchall() == [(False,)]


def test_a_file_format_is_imported(tmp_path):
    def read(name, content, faults):
        head, *lines = content.decode().strip().split("\n")
        names = head.split("|")
        return [
            Record(i + 2, dict(zip(names, line.split("|"), strict=True)))
            for i, line in enumerate(lines)
        ]

    study = small_study(scenarios=0)
    folder = write_study(tmp_path / "small", study, "csv")
    rows = ["trait|pole|text", *(f"{p.trait}|{p.pole}|{p.text}" for p in study.prompts)]
    (folder / "prompts.csv").unlink()
    (folder / "prompts.pipes").write_text("\n".join(rows), "utf-8")
    own = FileFormat(".pipes", read)
    FORMATS.append(own)
    try:
        found = read_study(folder)
    finally:
        FORMATS.remove(own)
    assert [p.text for p in found.prompts] == [p.text for p in study.prompts]


def test_a_format_of_another_tool_is_imported(tmp_path):
    def read(files, faults):
        text = files["warmth.txt"].value
        if not text.startswith("own format"):
            return None
        lines = list(enumerate(text.split("\n")[1:], start=2))
        placed = [
            (Prompt("warmth", *line.split("|")), PromptPlace("warmth.txt", n)) for n, line in lines
        ]
        return UnderstoodStudy("By hand.", placed)

    text = "own format\nhigh|a\nhigh|b\nlow|c\nlow|d"
    (tmp_path / "warmth.txt").write_text(text, "utf-8")
    own = ForeignFormat("own", read)
    FOREIGN_FORMATS.append(own)
    try:
        found = read_study(tmp_path, "own")
    finally:
        FOREIGN_FORMATS.remove(own)
    assert [(p.pole, p.text) for p in found.prompts] == [
        ("high", "a"),
        ("high", "b"),
        ("low", "c"),
        ("low", "d"),
    ]


def test_a_section_is_part_of_every_report(settings, words, tmp_path):
    published(settings)
    own = Section("own", "Own section", "own", lambda *_: (Text("Words of one's own."),), 0)
    SECTIONS.append(own)
    try:
        runs = run_list(settings).of_study("small")
        view = View(runs, runs, ("warmth",), "default", None)
        write_report(results(settings), view, tmp_path / "r.html", ["own"])
    finally:
        SECTIONS.remove(own)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert '<section id="own">' in text and "Words of one&#39;s own." in text


def test_every_page_is_a_file_and_a_line_of_the_app():
    listed = re.findall(r'st\.Page\("pages/(\w+)\.py"', (REPOSITORY / "app.py").read_text("utf-8"))
    files = {path.stem for path in (REPOSITORY / "pages").glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(files)
