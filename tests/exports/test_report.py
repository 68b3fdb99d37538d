"""A report asks no host for anything, holds the library once, and shows the queries' numbers."""

from __future__ import annotations

import dataclasses
import datetime
import json
from html.parser import HTMLParser
from urllib.parse import parse_qs

import pytest

from backend.errors import ExportError
from backend.exports.report.page import expected_bytes, write_report
from backend.exports.report.plotly_json import figure_json, plotly_script
from backend.exports.report.sections import SECTIONS
from backend.views.diagnosis.compute import diagnose_run
from backend.views.layers.compute import layer_choices
from backend.views.layers.words import choice_rows as layer_rows
from backend.views.layers.words import choice_sentence
from backend.views.methods.comparison import method_comparison
from backend.views.methods.compute import method_grid
from backend.views.methods.tables import method_rows, overall_rows
from backend.views.prompts.compute import prompt_view
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid
from backend.views.scores.compute import score_columns
from backend.views.scores.figures import use_rows
from backend.views.scores.link_figures import link_rows
from backend.views.scores.links import score_links
from backend.views.shared.view import View, checked, study_runs
from backend.views.study_tests.evidence import findings_of_study
from backend.views.transfer.compute import transfer_view
from backend.views.transfer.figures import transfer_rows
from backend.views.transfer.model_cases import run_names
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study

MOMENT = datetime.datetime(2026, 2, 3, 4, 5, tzinfo=datetime.UTC)


class Parsed(HTMLParser):
    """Links, text by element, chart JSON and tables of a report."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.links, self.scripts, self.charts, self.tables, self.meta = [], [], {}, [], {}
        self.words, self.elements, self._open = [], [], []
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.elements.append(tag)
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
    write_report(settings, view, path, sections, MOMENT)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    from backend.settings import Settings

    settings = Settings(cache=tmp_path_factory.mktemp("store"))
    publish_small_phantom(settings)
    runs = study_runs(settings, "demo")
    view = View(runs, runs[-1:], runs[-1].traits[:2], "default", None)
    text = made(settings, view, tmp_path_factory.mktemp("report"))
    return settings, view, text, Parsed(text)


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


def test_every_chart_has_a_place_and_its_sentence(phantom):
    _, view, text, parsed = phantom
    cells = len(view.shown) * len(view.traits)
    assert len(parsed.charts) >= 2 + 3 * cells
    for name in parsed.charts:
        assert f'id="{name}"' in text
    assert text.count('class="chart"') == len(parsed.charts)


def test_the_charts_are_the_pages_charts(phantom):
    settings, view, _, parsed = phantom
    card = scorecard(settings, view.run_ids, "default")
    grid = scorecard_grid(card, view.runs, view.runs[-1].traits, run_names(view.runs))
    drawn = parsed.charts["chart-1"]["data"][0]
    expected = json.loads(figure_json(grid))["data"][0]
    assert drawn == expected
    assert drawn["z"][0][0] == card.cells[view.run_ids[0], view.traits[0]].correlation.value


def test_the_tables_hold_the_querys_numbers(phantom):
    settings, view, _, parsed = phantom
    card = scorecard(settings, view.run_ids, "default")
    rows = [row for table in parsed.tables for row in table]
    for run, name in zip(view.runs, run_names(view.runs), strict=True):
        for trait in view.traits:
            cell = card.cells[run.record.run_id, trait]
            c = cell.correlation
            row = next(r for r in rows if r[:2] == [trait.replace("_", " "), name])
            assert row[2:5] == [f"{c.r:+.3f}", f"[{c.low:+.2f}, {c.high:+.2f}]", str(c.n)]
            assert row[6] == f"{cell.layer} (best of {cell.of_layers})" and row[7] == cell.status
            if run not in view.shown:
                continue
            (found,) = diagnose_run(settings, run.record.run_id, "default", trait)
            assert found.headline in parsed.text
            for judgement in found.judgements:
                assert [judgement.title, judgement.verdict, judgement.summary] in [
                    r[:3] for r in rows
                ]
            prompts = prompt_view(
                settings, run.record.run_id, trait, "default", found.layer, clustered=True
            )
            for prompt in prompts.rows:
                assert [str(prompt.prompt_id), prompt.pole, prompt.text] in [r[:3] for r in rows]
    for finding in findings_of_study(settings, view.run_ids, "default"):
        assert " ".join(finding.answer.split()) in parsed.text


def test_every_section_holds_the_pages_tables(phantom):
    settings, view, _, parsed = phantom
    assert "is undefined. " not in parsed.text
    rows = [row for table in parsed.tables for row in table]

    def there(table):
        assert table and all([str(value) for value in row.values()] in rows for row in table)

    moves = transfer_view(settings, view.run_ids, view.runs[-1].traits, "default", None, "text")
    there(transfer_rows(moves, moves.transfers))
    for run in [shown.record.run_id for shown in view.shown]:
        choices = layer_choices(settings, run, "default")
        there(layer_rows(choices))
        for choice in choices:
            said = " ".join(choice_sentence(choice).split())
            assert (said in parsed.text) == (choice.trait in view.traits)
        grid = method_grid(settings, run, "default", None)
        comparison = method_comparison(settings, run, "default", None)
        there(overall_rows(grid, comparison))
        there(method_rows(grid, comparison, view.traits[0]))
        there(use_rows(score_columns(settings, run, None)))
        layer = choices[0].layer
        there(link_rows(score_links(settings, run, "default", view.traits[0], layer).rows))


def test_the_head_says_what_it_is(phantom):
    _, view, text, parsed = phantom
    assert "Simulated: these activations were drawn by a simulator" in parsed.text
    assert "2026-02-03 04:05 UTC" in parsed.text
    for run in view.runs:
        assert run.record.weights_hash in parsed.text and run.record.run_id in parsed.text
    query = parsed.text.split("with the address /?")[1].split()[0]
    assert parse_qs(query) == {
        "study": [view.runs[-1].study_key],
        "run": [view.runs[-1].record.run_id],
        "trait": [view.traits[0]],
        "layer": ["best"],
    }
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_a_real_run_is_called_real_and_one_cell_is_bare(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    runs = study_runs(settings, "small")
    view = checked(View(runs, runs, ("haste",), "default", 2))
    parsed = Parsed(made(settings, view, tmp_path, ["scorecard", "diagnosis"]))
    assert "Real: these activations were extracted" in parsed.text
    assert "Simulated" not in parsed.text
    assert "haste on llama" in parsed.text and "warmth on llama" not in parsed.text
    (found,) = diagnose_run(settings, "run-1", "default", "haste", 2)
    assert f"r = {found.r.value:+.3f}" in parsed.text
    only = Parsed(made(settings, view, tmp_path, ["prompts"]))
    assert len(only.charts) == 2 and found.headline not in only.text


def test_undefined_is_shown_with_its_reason(settings, tiny_llama, tmp_path):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    runs = study_runs(settings, "small")
    text = made(settings, View(runs, runs, ("haste",), "default", None), tmp_path)
    parsed = Parsed(text)
    assert "undefined: " in parsed.text and "at least 3" in parsed.text
    cells = [cell for table in parsed.tables for row in table for cell in row]
    assert not {"nan", "NaN", "None"} & set(cells)


def test_texts_are_escaped(settings, tiny_llama, tmp_path):
    bad = "</script><script>alert(1)</script><img src=http://x>"
    study = small_study()
    study = dataclasses.replace(
        study,
        title=f"T {bad}",
        provenance=f"P {bad}",
        prompts=tuple(dataclasses.replace(p, text=f"{p.text} {bad}") for p in study.prompts),
    )
    publish_run(settings, study, tiny_llama, "run-1")
    runs = study_runs(settings, "small")
    view = View(runs, runs, ("haste",), "default", 2)
    text = made(settings, view, tmp_path, ["prompts"])
    parsed = Parsed(text)
    assert "<script>alert" not in text and "<img src" not in text
    assert f"T {bad}" in parsed.text
    assert "img" not in parsed.elements and all(link.startswith("#") for link in parsed.links)


def test_the_registry_and_wrong_choices(settings, tiny_llama, tmp_path):
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)
    publish_run(settings, small_study(), tiny_llama, "run-1")
    runs = study_runs(settings, "small")
    view = View(runs, runs, ("haste",), "default", None)
    with pytest.raises(ExportError, match="no section nothing"):
        made(settings, view, tmp_path, ["nothing"])
    for wrong in ({"traits": ("calm",)}, {"prompt_set": "other"}, {"layer": 9}):
        with pytest.raises(ExportError, match="The shown runs have no"):
            checked(dataclasses.replace(view, **wrong))
    with pytest.raises(ExportError, match="No run of study 'none'"):
        study_runs(settings, "none")
