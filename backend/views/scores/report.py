"""Whether the judge is the problem."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.views.layers.compute import layer_choices
from backend.views.scorecard.compute import layer_to_show, scorecard
from backend.views.scores.compute import ScoreColumn, score_columns
from backend.views.scores.feasibility import feasibility, score_findings, score_scale
from backend.views.scores.figures import (
    all_scores,
    drift_histogram,
    pearson_beside_spearman,
    pole_counts,
    rank_rows,
    score_histogram,
    stability_forest,
    use_rows,
)
from backend.views.scores.link_figures import length_and_projection, link_rows, projection_and_score
from backend.views.scores.links import score_links
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View
from backend.views.study_tests.figures import finding_rows


def _build(settings: Settings, view: View) -> Sequence[Block]:
    if all(run.record.target == "none" for run in view.runs):
        return (Text("Undefined: this study has no scored responses."),)
    card = scorecard(settings, view.run_ids, view.prompt_set, None)

    @cache
    def columns_of(run_id: str) -> tuple[ScoreColumn, ...]:
        return score_columns(settings, run_id, None)

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        run_id = run.record.run_id
        scale = score_scale(settings, run_id)
        poles = feasibility(settings, run_id, scale.at_least, scale.at_most)
        choices = layer_choices(settings, run_id, view.prompt_set)
        columns = columns_of(run_id)
        return (
            Chart(
                "All traits side by side",
                "A trait whose row is bright at one end, or in a few columns only, is compressed.",
                all_scores(columns, ""),
            ),
            Table("", "", use_rows(columns)),
            Chart(
                "Do scores agree from the first turn to the last?",
                "An unreliable judge errs anew each time; between the dotted lines that may be so, "
                "or the behaviour itself changes as much.",
                stability_forest(columns),
            ),
            Chart(
                "Would ranks do better?",
                "Outliers or a bent relation would put Spearman's diamond clearly right of "
                "Pearson's circle.",
                pearson_beside_spearman(choices),
            ),
            Table("", "", rank_rows(choices)),
            Chart(
                "Could vectors be learned from scored responses?",
                f"Responses scored at least {scale.at_least:g} to the right, at most "
                f"{scale.at_most:g} to the left; ✕ marks a pole with too few.",
                pole_counts(poles),
            ),
            Text(poles.finding.answer),
            Text(f"Caveat: {poles.finding.caveat}"),
        )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        run_id = run.record.run_id
        layer = layer_to_show(card, run, trait) if view.layer is None else view.layer
        links = score_links(settings, run_id, view.prompt_set, trait, layer)
        blocks: list[Block] = []
        column = next((found for found in columns_of(run_id) if found.trait == trait), None)
        if column is not None:
            blocks.append(
                Chart(
                    "Scores",
                    "Scores piled up at an end, or on few values, leave a vector nothing to "
                    "predict.",
                    score_histogram(column),
                )
            )
            if column.drift is not None:
                blocks.append(
                    Chart(
                        "Their change from the first turn to the last",
                        "r is taken over these: if most are zero, few scenarios decide it.",
                        drift_histogram(column.drift),
                    )
                )
        blocks += [
            Chart(
                f"Do scores follow projections? (layer {layer})",
                "A slope means that the vector predicts the score.",
                projection_and_score(links),
            ),
            Chart(
                "Do projections follow length?",
                "A slope means that the vector also reads how long the response is.",
                length_and_projection(links),
            ),
            Table(
                "With length held fixed",
                "If r falls to zero with length held fixed, the vector predicts the score only "
                "through length; if it stays, length is not the reason.",
                link_rows(links.rows),
            ),
        ]
        return f"layer {layer}", blocks

    compression, ranks = score_findings(settings, view.run_ids, view.prompt_set)
    findings: list[Block] = []
    for title, finding in (("Ranks, over all runs", ranks), ("Compression", compression)):
        findings.append(Text(f"{title}: {finding.verdict}. {finding.answer}"))
        if finding.rows:
            findings.append(Table("", finding.caveat, finding_rows(finding)))
    return (*per_run(view, run_blocks), *findings, *per_cell(view, "scores", cell))


SECTION = Section("scores", "Is the judge the problem?", "scores", _build, 120_000)
