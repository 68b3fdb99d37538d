"""Why each trait fails."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.views.diagnosis.compute import Diagnosis, diagnose_run
from backend.views.diagnosis.figures import evidence_rows, fix_gains
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View


def _build(settings: Settings, view: View) -> Sequence[Block]:
    note = Text(
        "A cause is supported only if its marker exceeds what healthy cells show and, where a fix "
        "can be measured, the fix raises r with its whole interval. Undetermined means that these "
        "data cannot tell."
    )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        (found,) = diagnose_run(settings, run.record.run_id, view.prompt_set, trait, view.layer)
        return found.headline, _blocks(found)

    return (note, *per_cell(view, "diagnosis", cell))


def _blocks(found: Diagnosis) -> Sequence[Block]:
    return (
        Text(found.headline, "strong"),
        Text(f"Layer {found.layer}. {_r(found.r)}"),
        Chart(
            "What each fix would do",
            "Intervals right of zero raise r. Fixes are measured on the responses at hand, fitted "
            "ones on scenarios they were not fitted on.",
            fix_gains(found),
        ),
        Table(
            "Every cause",
            "",
            [
                {
                    "cause": j.title,
                    "verdict": j.verdict,
                    "why": j.summary,
                    "looks alike": j.confusions,
                }
                for j in found.judgements
            ],
        ),
        Fold(
            "The evidence for each cause",
            [
                Table(f"{j.title}: {j.verdict}", "", rows)
                for j in found.judgements
                if (rows := evidence_rows(j))
            ],
        ),
    )


def _r(r: Estimate) -> str:
    if r.value is None:
        return f"r is undefined: {r.reason}."
    if r.low is None or r.high is None:
        return f"r = {r.value:+.3f} without an interval, n = {r.n}."
    return f"r = {r.value:+.3f}, 95% interval [{r.low:+.3f}, {r.high:+.3f}], n = {r.n}."


SECTION = Section("diagnosis", "Why does each trait fail?", "diagnosis", _build, 30_000)
