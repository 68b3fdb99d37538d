"""Rules are judged after those they read, and a new one needs a line in the registry."""

from __future__ import annotations

import ast
import dataclasses
import inspect

import pytest

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.store.catalog import run_list
from backend.views.diagnosis import registry
from backend.views.diagnosis.cause import Judgement, Rule
from backend.views.diagnosis.diagnose import diagnose
from backend.views.diagnosis.registry import RULES, judging_order, registered
from backend.views.diagnosis.report import SECTION
from backend.views.diagnosis.tables import cause_rows, evidence_rows
from backend.views.diagnosis.thresholds import GAIN_TESTS
from backend.views.shared.blocks import Fold, Table
from backend.views.shared.view import View
from tests.support.phantoms import planted_cells
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import diagnoses

TITLE = "A cause of its own"


def rule(cause, *after, weight=1.0, read=None):
    """A rule that is always supported and keeps what it could read."""

    def judge(evidence, earlier):
        if read is not None:
            read.update(earlier)
        row = Row("number of cases", Estimate.exact(float(evidence.n), evidence.n))
        return Judgement(cause, TITLE, "supported", weight, "Seen.", (row,), None, "Nothing.")

    return Rule(cause, TITLE, judge, after)


def names(rules):
    return [rule.cause for rule in rules]


def test_rules_come_after_those_they_read_and_else_as_registered():
    a, b, c = rule("a", "c"), rule("b"), rule("c")
    assert names(judging_order([a, b, c])) == ["b", "c", "a"]
    assert names(judging_order([c, b, a])) == ["c", "b", "a"]
    order = names(judging_order(RULES))
    assert sorted(order) == sorted(names(RULES))
    for each in RULES:
        assert all(order.index(cause) < order.index(each.cause) for cause in each.after)


def test_what_cannot_be_judged_is_refused_when_it_is_registered():
    with pytest.raises(ValueError, match="no rule judges nothing, which a reads"):
        registered(rule("a", "nothing"))
    with pytest.raises(ValueError, match=r"read each other: a, b"):
        registered(rule("a", "b"), rule("b", "a"), rule("c"))
    with pytest.raises(ValueError, match=r"read each other: a"):
        registered(rule("a", "a"))
    with pytest.raises(ValueError, match="two rules judge one cause"):
        registered(rule("a"), rule("a"))
    assert names(registered(rule("a", "b"), rule("b"))) == ["a", "b"]


def test_a_rule_reads_what_it_declares_and_nothing_else(monkeypatch):
    read = {}
    new = rule("new", "not_linear", "floor", read=read)
    monkeypatch.setattr(registry, "RULES", (new, *RULES))
    found = {j.cause: j for j in diagnose(planted_cells(["floor"], 42)[0].evidence).judgements}
    assert set(read) == {"not_linear", "floor"}
    assert all(found[cause] is judgement for cause, judgement in read.items())


def test_p_is_corrected_for_every_cause_that_needs_a_gain():
    assert sum(rule.by_gain for rule in RULES) == GAIN_TESTS
    for each in RULES:
        # What its module asks that tells a gain from none.
        asks = {"raises_r", "verdict_by_gain"}
        tree = ast.parse(inspect.getsource(inspect.getmodule(each.judge)))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        for _ in functions:
            asks |= {
                function.name
                for function in functions
                if any(isinstance(n, ast.Name) and n.id in asks for n in ast.walk(function))
            }
        assert (each.judge.__name__ in asks) == each.by_gain, each.cause


def test_equal_weights_stand_in_the_order_of_the_registry(monkeypatch):
    rules = (rule("late", "early"), rule("early"), rule("sure", weight=2.0))
    monkeypatch.setattr(registry, "RULES", rules)
    (cell, *_) = planted_cells(["none"], 42)
    assert [j.cause for j in diagnose(cell.evidence).judgements] == ["sure", "late", "early"]
    monkeypatch.setattr(registry, "RULES", tuple(reversed(rules)))
    assert [j.cause for j in diagnose(cell.evidence).judgements] == ["sure", "early", "late"]


def test_a_rule_registered_at_run_time_is_judged_shown_and_reported(
    settings, tiny_llama, monkeypatch
):
    monkeypatch.setattr(registry, "RULES", (*RULES, rule("new", "few_scenarios", weight=1e6)))
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    (diagnosis,) = diagnoses(settings, "run-1", trait="haste", layer=2)
    judged = diagnosis.supported[0]
    assert (judged.cause, len(diagnosis.judgements)) == ("new", len(RULES) - 1)
    assert TITLE.lower() in diagnosis.headline and diagnosis.line.startswith(TITLE)
    assert cause_rows(diagnosis)[0]["cause"] == TITLE
    assert evidence_rows(judged)[0]["measured"] == "number of cases"
    runs = run_list(settings).runs
    view = View(runs, runs, ("haste",), "default", 2)
    blocks = SECTION.build(results(settings), view)
    causes = next(b for b in blocks if isinstance(b, Table) and b.title == "Every cause")
    assert causes.rows[0]["cause"] == TITLE
    (fold,) = (b for b in blocks if isinstance(b, Fold))
    assert fold.blocks[0].title == f"{TITLE}: supported"


def test_a_judgement_is_marked_from_its_threshold_on():
    judged = rule("a").judge(planted_cells(["none"], 42)[0].evidence, {})
    assert judged.marked and not dataclasses.replace(judged, weight=0.99).marked
