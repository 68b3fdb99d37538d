"""Whether the judge is the problem."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.layers.compute import LayerChoice, choice_of, layer_choices
from backend.views.scores import words
from backend.views.scores.compute import ScoreColumn, score_columns, score_findings
from backend.views.scores.feasibility import feasibility, score_scale
from backend.views.scores.figures import (
    all_scores,
    drift_histogram,
    length_and_projection,
    pearson_beside_spearman,
    pole_counts,
    projection_and_score,
    score_histogram,
    stability_forest,
)
from backend.views.scores.links import score_links
from backend.views.scores.tables import link_rows, rank_rows, reliability_rows, use_rows
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell, per_run
from backend.views.shared.view import View
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.tables import finding_rows


def _build(results: Results, view: View) -> Sequence[Block]:
    if all(run.record.target == "none" for run in view.runs):
        return (Text("Undefined: this study has no scored responses."),)

    def choices_of(run: RunSummary) -> tuple[LayerChoice, ...]:
        return results.of_run(layer_choices, run.run_id, view.prompt_set, results.thresholds)

    def columns_of(run: RunSummary) -> tuple[ScoreColumn, ...]:
        return results.of_run(score_columns, run.run_id, None)

    def run_blocks(run: RunSummary) -> Sequence[Block]:
        scale = results.of_run(score_scale, run.run_id)
        poles = results.of_run(feasibility, run.run_id, scale.at_least, scale.at_most)
        choices, columns = choices_of(run), columns_of(run)
        return (
            Chart("All traits side by side", words.ALL_TRAITS, all_scores(columns, "")),
            Table("", "", use_rows(columns)),
            Chart(
                "Do scores agree from the first turn to the last?",
                words.STABILITY,
                stability_forest(columns),
            ),
            *_reliability(reliability_rows(columns)),
            Chart("Would ranks do better?", words.RANKS, pearson_beside_spearman(choices)),
            Table("", "", rank_rows(choices)),
            Chart(
                "Could vectors be learned from scored responses?", words.POLES, pole_counts(poles)
            ),
            Text(poles.finding.answer),
            Text(f"Caveat: {poles.finding.caveat}"),
        )

    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        layer = view.layer
        if layer is None:
            layer = choice_of(choices_of(run), trait).layer
        if layer is None:
            layer = run.middle_layer
        links = results.of_run(score_links, run.run_id, view.prompt_set, trait, layer)
        blocks: list[Block] = []
        column = next((found for found in columns_of(run) if found.trait == trait), None)
        if column is not None:
            blocks.append(Chart("Scores", words.SCORES, score_histogram(column)))
            if column.drift is not None:
                blocks.append(
                    Chart(
                        "Their change from the first turn to the last",
                        words.DRIFTS,
                        drift_histogram(column, column.drift),
                    )
                )
        blocks += [
            Chart(
                f"Do scores follow projections? (layer {layer})",
                words.PROJECTION,
                projection_and_score(links),
            ),
            Chart("Do projections follow length?", words.LENGTH, length_and_projection(links)),
            Table("With length held fixed", words.LENGTH_HELD_FIXED, link_rows(links.rows)),
        ]
        return f"layer {layer}", blocks

    compression, ranks = score_findings(
        results.of_runs(findings_of_study, view.run_ids, view.prompt_set, results.thresholds)
    )
    findings: list[Block] = []
    for title, finding in (("Ranks, over all runs", ranks), ("Compression", compression)):
        findings.append(Text(f"{title}: {finding.verdict}. {finding.answer}"))
        if finding.rows:
            findings.append(Table("", finding.caveat, finding_rows(finding)))
    return (*per_run(view, run_blocks), *findings, *per_cell(view, "scores", cell))


def _reliability(rows: list[dict[str, str]]) -> Sequence[Block]:
    """The judge's agreement with itself, where any response was scored several times."""
    title = "Does the judge agree with itself?"
    return (Table(title, words.RELIABILITY, rows),) if rows else (Text(words.NOT_REPEATED),)


SECTION = Section("scores", "Is the judge the problem?", "scores", _build, 120_000)
