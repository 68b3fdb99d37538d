"""Whether the whole study holds up."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.view import View
from backend.views.study_tests import words
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.figures import finding_chart
from backend.views.study_tests.tables import finding_rows


def _build(results: Results, view: View) -> Sequence[Block]:
    findings = results.of_runs(findings_of_study, view.run_ids, view.prompt_set, results.thresholds)
    blocks: list[Block] = [Text(words.summary(findings), "strong"), Text(words.TESTS)]
    for number, finding in enumerate(findings, start=1):
        own: list[Block] = []
        if finding.rows:
            own.append(Table("", "", finding_rows(finding)))
        figure = finding_chart(finding)
        if figure is not None:
            own.append(Chart("", words.CHART, figure))
        if finding.caveat:
            own.append(Text(f"Caveat: {finding.caveat}"))
        blocks.append(
            Fold(
                f"{number}. {finding.question} {finding.answer} ({words.confidence(finding)})", own
            )
        )
    return blocks


SECTION = Section("tests", "Does the whole study hold up?", "study_tests", _build, 10_000)
