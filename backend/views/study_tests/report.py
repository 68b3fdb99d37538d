"""Whether the whole study holds up."""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.view import View
from backend.views.study_tests.evidence import findings_of_study
from backend.views.study_tests.figures import finding_chart, finding_rows


def _build(settings: Settings, view: View) -> Sequence[Block]:
    blocks: list[Block] = [
        Text(
            "Each test with its numbers, a verdict and what the numbers cannot say. Ruled out "
            "needs an interval that excludes an effect that would matter."
        )
    ]
    findings = findings_of_study(settings, view.run_ids, view.prompt_set)
    for number, finding in enumerate(findings, start=1):
        own: list[Block] = [Text(finding.answer)]
        if finding.rows:
            own.append(Table("", "", finding_rows(finding)))
        figure = finding_chart(finding)
        if figure is not None:
            own.append(Chart("", "Each number with its 95% interval where it has one.", figure))
        if finding.caveat:
            own.append(Text(f"Caveat: {finding.caveat}"))
        blocks.append(Fold(f"{number}. {finding.question} {finding.verdict.capitalize()}", own))
    return blocks


SECTION = Section("tests", "Does the whole study hold up?", "study_tests", _build, 10_000)
