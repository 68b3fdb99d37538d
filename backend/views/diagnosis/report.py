"""Why each trait fails, or what limits it."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.diagnosis import words
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.diagnosis.figures import fix_gains
from backend.views.diagnosis.tables import cause_rows, evidence_rows
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View


def _build(results: Results, view: View) -> Sequence[Block]:
    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        (found,) = results.of_run(
            diagnose_run,
            run.run_id,
            view.prompt_set,
            trait,
            view.layer,
            results.thresholds,
            results.steering(run.run_id),
        )
        return found.headline, _blocks(found)

    return (Text(words.VERDICTS), *per_cell(view, "diagnosis", cell))


def _blocks(found: Diagnosis) -> Sequence[Block]:
    return (
        Text(found.headline, "strong"),
        Text(f"Layer {found.layer}. {words.r_sentence(found.r, digits=3)}"),
        Chart("What each fix would do", words.GAINS, fix_gains(found)),
        Table("Every cause", "", cause_rows(found)),
        Fold(
            "The evidence for each cause",
            [
                Table(f"{j.title}: {j.verdict}", "", rows)
                for j in found.judgements
                if (rows := evidence_rows(j))
            ],
        ),
    )


SECTION = Section(
    "diagnosis", "What makes each trait fail, or limits it?", "diagnosis", _build, 30_000
)
