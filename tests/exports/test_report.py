"""A report asks no host for anything, holds the library once, and shows the queries' numbers."""

from __future__ import annotations

import dataclasses
import datetime
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from markupsafe import escape

from backend.errors import ExportError
from backend.exports.report import page
from backend.exports.report.page import expected_bytes, write_report
from backend.exports.report.plotly_json import figure_json, plotly_script
from backend.exports.report.sections import SECTIONS
from backend.store.catalog import run_list, run_names
from backend.views.answer import answer
from backend.views.diagnosis.compute import diagnose_run
from backend.views.layers.compute import layer_choices
from backend.views.layers.tables import choice_rows as layer_rows
from backend.views.layers.words import choice_sentence
from backend.views.methods.comparison import method_comparison
from backend.views.methods.differences import differences_on_traits
from backend.views.methods.tables import method_rows, overall_rows
from backend.views.prompts.compute import prompt_view
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid
from backend.views.scores.compute import score_columns
from backend.views.scores.links import score_links
from backend.views.scores.tables import link_rows, use_rows
from backend.views.shared.view import View, checked
from backend.views.study_tests.compute import findings_of_study
from backend.views.transfer.compute import transfer_view
from backend.views.transfer.tables import transfer_rows
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

ELEMENTS = set(
    "html head meta title style script body header h1 p strong div table thead tr th tbody td wbr "
    "nav ul li a main section h2 h3 h4 h5 details summary".split()
)
ATTRIBUTES = set(
    "lang charset http-equiv content name class id style role aria-label type data-chart scope "
    "href open".split()
)
MOMENT = datetime.datetime(2026, 2, 3, 4, 5, tzinfo=datetime.UTC)


class Parsed(HTMLParser):
    """Links, text by element, chart JSON and tables of a report."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.links, self.scripts, self.charts, self.tables, self.meta = [], [], {}, [], {}
        self.words, self.elements, self._open = [], [], []
        self.attributes, self.comments = set(), []
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.elements.append(tag)
        self.attributes |= set(found)
        self.links += [found[name] for name in ("src", "href", "action", "data") if name in found]
        if tag == "meta":
            self.meta[found.get("http-equiv", found.get("name", ""))] = found.get("content")
        if tag in ("meta", "wbr"):
            return
        self._open.append((tag, found))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script":
            name = attributes.get("data-chart")
            if name:
                # A browser's JSON knows no NaN.
                self.charts[name] = json.loads(data, parse_constant=pytest.fail)
            else:
                self.scripts.append(data)
        elif tag != "style":
            self.words.append(data)
            if tag in ("td", "th"):
                self.tables[-1][-1][-1] += data


def made(settings, view, tmp_path, sections=()):
    path = tmp_path / "report.html"
    write_report(results(settings), view, path, sections, MOMENT)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    from backend.settings import Settings

    settings = Settings(cache=tmp_path_factory.mktemp("store"))
    publish_small_phantom(settings)
    runs = run_list(settings).of_study("demo")
    view = View(runs, runs[-1:], runs[-1].traits[:2], "default", None)
    text = made(settings, view, tmp_path_factory.mktemp("report"))
    return settings, view, text, Parsed(text)


def test_the_view_is_opened_again_where_the_report_was_made(phantom, tmp_path):
    settings, view, _, parsed = phantom
    assert f"put ?{view.query()} behind its address" in parsed.text
    path = tmp_path / "report.html"
    site = 'http://127.0.0.1:8501/a"b/'
    write_report(results(settings), view, path, ["scores"], MOMENT, dashboard=site)
    found = Parsed(path.read_text("utf-8"))
    assert [link for link in found.links if not link.startswith("#")] == [f"{site}?{view.query()}"]


def test_nothing_is_asked_of_any_host(phantom):
    _, _, text, parsed = phantom
    assert all(link.startswith("#") for link in parsed.links)
    policy = parsed.meta["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "showSendToCloud: false" in text
    assert not {"link", "img", "iframe", "form", "object"} & set(parsed.elements)


def test_the_library_is_there_once(phantom):
    _, view, text, parsed = phantom
    assert text.count("plotly.js v") == 1
    assert parsed.scripts[0] == plotly_script()
    assert expected_bytes(view) / 2 < len(text) < expected_bytes(view) * 2


def test_the_answer_comes_before_the_contents(phantom):
    settings, view, text, _ = phantom
    said = answer(results(settings), view)
    assert len(said) > 1
    places = [text.index(str(escape(sentence.text))) for sentence in said]
    assert places == sorted(places) and places[-1] < text.index("<nav>")


def test_every_chart_has_a_place_and_its_sentence(phantom):
    _, view, text, parsed = phantom
    cells = len(view.shown) * len(view.traits)
    assert len(parsed.charts) >= 2 + 3 * cells
    for name in parsed.charts:
        assert f'id="{name}"' in text
    assert text.count('class="chart"') == len(parsed.charts)


def test_the_charts_are_the_pages_charts(phantom):
    settings, view, _, parsed = phantom
    store = results(settings)
    card = store.of_runs(scorecard, view.run_ids, "default", None, store.thresholds)
    grid = scorecard_grid(card, view.runs, view.runs[-1].traits, run_names(view.runs))
    drawn = parsed.charts["chart-1"]["data"][0]
    expected = json.loads(figure_json(grid))["data"][0]
    assert drawn == expected
    assert drawn["z"][0][0] == card.cells[view.run_ids[0], view.traits[0]].correlation.value


def test_the_tables_hold_the_querys_numbers(phantom):
    settings, view, _, parsed = phantom
    store = results(settings)
    card = store.of_runs(scorecard, view.run_ids, "default", None, store.thresholds)
    rows = [row for table in parsed.tables for row in table]
    for run, name in zip(view.runs, run_names(view.runs), strict=True):
        for trait in view.traits:
            cell = card.cells[run.record.run_id, trait]
            c = cell.correlation
            row = next(r for r in rows if r[:2] == [trait.replace("_", " "), name])
            assert row[2:5] == [f"{c.value:+.3f}", f"[{c.low:+.2f}, {c.high:+.2f}]", str(c.n)]
            assert row[7] == f"{cell.layer} (best of {cell.of_layers})" and row[8] == cell.status
            if run not in view.shown:
                continue
            (found,) = store.of_run(
                diagnose_run, run.record.run_id, "default", trait, None, store.thresholds
            )
            assert found.headline in parsed.text
            for judgement in found.judgements:
                assert [judgement.title, judgement.verdict, judgement.summary] in [
                    r[:3] for r in rows
                ]
            prompts = store.of_run(
                prompt_view, run.record.run_id, trait, "default", found.layer, clustered=True
            )
            for prompt in prompts.rows:
                wanted = [str(prompt.prompt_id), prompt.pole, prompt.text]
                assert wanted in [[*r[:2], r[3]] for r in rows if len(r) > 3]
    for finding in store.of_runs(findings_of_study, view.run_ids, "default", store.thresholds):
        assert " ".join(finding.answer.split()) in parsed.text


def test_every_section_holds_the_pages_tables(phantom):
    settings, view, _, parsed = phantom
    store = results(settings)
    assert "is undefined. " not in parsed.text
    rows = [row for table in parsed.tables for row in table]

    def there(table):
        assert table and all([str(value) for value in row.values()] in rows for row in table)

    traits = view.runs[-1].traits
    moves = store.with_saved(transfer_view, view.run_ids, traits, "default")
    there(transfer_rows(moves, moves.transfers))
    for run in [shown.record.run_id for shown in view.shown]:
        choices = store.of_run(layer_choices, run, "default", store.thresholds)
        there(layer_rows(choices))
        for choice in choices:
            said = " ".join(choice_sentence(choice).split())
            assert (said in parsed.text) == (choice.trait in view.traits)
        comparison = store.with_saved(method_comparison, [run], "default", None)
        apart = store.with_saved(differences_on_traits, [run], "default", None)
        there(overall_rows(comparison, apart))
        there(method_rows(comparison.grid, apart, view.traits[0]))
        there(use_rows(store.of_run(score_columns, run, None)))
        layer = choices[0].layer
        there(link_rows(store.of_run(score_links, run, "default", view.traits[0], layer).rows))


def test_the_head_says_what_it_is(phantom):
    _, view, text, parsed = phantom
    assert "Simulated: these activations were drawn by a simulator" in parsed.text
    assert "2026-02-03 04:05 UTC" in parsed.text
    for run in view.runs:
        assert run.record.weights_hash in parsed.text and run.record.run_id in parsed.text
    query = parsed.text.split("put ?")[1].split()[0]
    assert parse_qs(query) == {
        "study": [view.runs[-1].study_key],
        "run": [view.runs[-1].record.run_id],
        "trait": [view.traits[0]],
        "layer": ["best"],
    }
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_a_real_run_is_called_real_and_one_cell_is_bare(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    runs = run_list(settings).of_study("small")
    view = checked(View(runs, runs, ("haste",), "default", 2))
    parsed = Parsed(made(settings, view, tmp_path, ["scorecard", "diagnosis"]))
    assert "Real: these activations were extracted" in parsed.text
    assert "Simulated" not in parsed.text
    assert "haste on llama" in parsed.text and "warmth on llama" not in parsed.text
    store = results(settings)
    (found,) = store.of_run(diagnose_run, "run-1", "default", "haste", 2, store.thresholds)
    assert f"r = {found.r.value:+.3f}" in parsed.text
    only = Parsed(made(settings, view, tmp_path, ["prompts"]))
    # The answer names the cause; its section is left out.
    assert len(only.charts) == 2 and "The evidence for each cause" not in only.text


def test_undefined_is_shown_with_its_reason(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    runs = run_list(settings).of_study("small")
    text = made(settings, View(runs, runs, ("haste",), "default", None), tmp_path)
    parsed = Parsed(text)
    assert "undefined: " in parsed.text and "at least 3" in parsed.text
    cells = [cell for table in parsed.tables for row in table for cell in row]
    assert not {"nan", "NaN", "None"} & set(cells)


BAD = "<script>alert(1)</script> </script></title><!-- <img src=//x> \" onload='x' &lt; {{ 7 * 7 }}"


def test_texts_come_out_as_texts(settings, tiny_llama, tmp_path):
    # Names of traits and runs are refused where they hold marks of HTML; those of the next test do.
    trait, run_id = "calm & {{ 7 * 7 }} [it's](x)", "run-1"
    study = small_study(scenarios=30)
    study = dataclasses.replace(
        study,
        title=f"T {BAD}",
        provenance=f"P {BAD}",
        traits={trait: "", "haste": ""},
        prompts=tuple(
            # The long word is broken, which must not undo the escaping of its pieces.
            dataclasses.replace(
                p, trait=p.trait.replace("warmth", trait), text=f"{p.text} {BAD} {'<b>' * 12}"
            )
            for p in study.prompts
        ),
        responses=tuple(
            dataclasses.replace(
                r,
                text=f"{r.text} {BAD}",
                scores={trait: r.scores["warmth"], "haste": r.scores["haste"]},
            )
            for r in study.responses
        ),
    )
    publish_run(settings, study, tiny_llama, run_id)
    runs = run_list(settings).of_study("small")
    parsed = Parsed(made(settings, View(runs, runs, (trait,), "default", None), tmp_path))
    assert "is undefined. " not in parsed.text
    assert_plain(parsed)
    assert f"T {BAD}" in parsed.text and f"P {BAD}" in parsed.text
    assert f"Shows run {run_id}, {trait}, prompt set" in parsed.text
    rows = [row for table in parsed.tables for row in table]
    assert ["run", run_id] in rows and any(row[0] == trait for row in rows)
    cells = {cell for row in rows for cell in row}
    assert {p.text for p in study.prompts if p.trait == trait} <= cells
    charts = json.dumps(parsed.charts, ensure_ascii=False)
    assert json.dumps(trait, ensure_ascii=False)[1:-1] in charts


def test_a_fault_is_told_in_its_sections_place_as_text(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    (run,) = run_list(settings).of_study("small")
    gone = dataclasses.replace(run, record=dataclasses.replace(run.record, run_id=BAD))
    view = View((gone,), (gone,), (BAD,), BAD, None)
    parsed = Parsed(made(settings, view, tmp_path))
    assert_plain(parsed)
    assert [e for e in parsed.elements if e == "section"] == ["section"] * len(SECTIONS)
    assert "This section is undefined. " in parsed.text
    assert f"Shows run {BAD}, {BAD}, prompt set {BAD}, " in parsed.text


def assert_plain(parsed):
    """The report has no script, element, attribute or address that a text brought in."""
    own = (Path(page.__file__).parent / "report.js").read_text("utf-8")
    assert [script.strip() for script in parsed.scripts] == [plotly_script().strip(), own.strip()]
    assert parsed.elements.count("script") == 2 + len(parsed.charts)
    assert set(parsed.elements) <= ELEMENTS and parsed.attributes <= ATTRIBUTES
    assert all(link.startswith("#") for link in parsed.links) and not parsed.comments


def test_the_registry_and_wrong_choices(settings, tiny_llama, tmp_path):
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)
    publish_run(settings, small_study(), tiny_llama, "run-1")
    runs = run_list(settings).of_study("small")
    view = View(runs, runs, ("haste",), "default", None)
    with pytest.raises(ExportError, match="no section nothing"):
        made(settings, view, tmp_path, ["nothing"])
    for wrong in ({"traits": ("calm",)}, {"prompt_set": "other"}, {"layer": 9}):
        with pytest.raises(ExportError, match="The shown runs have no"):
            checked(dataclasses.replace(view, **wrong))
    assert run_list(settings).of_study("none") == ()
