"""Is the judge the problem?"""

from __future__ import annotations

import streamlit as st

from backend.core.finding import Finding
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
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.tables import finding_rows
from pages.shared import data
from pages.shared.address import segmented, select, slider
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run
from pages.shared.tested_runs import tested_runs

_ALL = "all"
_LEVELS = "Responses of this study have no turn: there is no drift, and r is taken over levels."
_VIEWS = {
    "trait": "This trait",
    "traits": "All traits",
    "judge": "Judge",
    "length": "Length",
    "ranks": "Ranks",
    "compression": "Compression",
    "poles": "Both poles",
}


def _trait(column: ScoreColumn | None) -> None:
    """How the scores of the trait are spread."""
    if column is None:
        return
    st.caption(f"{words.SCORES} {_LEVELS if column.drift is None else words.DRIFTS}")
    left, right = st.columns(2)
    with left:
        show(score_histogram(column), "scores", "How often each score was given")
    if column.drift is not None:
        with right:
            show(
                drift_histogram(column, column.drift),
                "drifts",
                "How often each change of the score happened",
            )


def _traits(columns: tuple[ScoreColumn, ...], trait: str) -> None:
    st.caption(words.ALL_TRAITS)
    if not columns:
        return
    show(all_scores(columns, trait), "all", "Share of the scores in every bin, by trait")
    st.dataframe(use_rows(columns), hide_index=True, width="stretch")
    st.caption(
        "sd: standard deviation in score units with Bonett's 95% interval. Floor and ceiling: "
        "share of scores at the ends of the scale with Wilson's interval. In use: how many "
        "different scores. Rounding: the share of the variance behind r that comes from rounding "
        "to the usual step between neighbouring scores."
    )


def _judge(columns: tuple[ScoreColumn, ...]) -> None:
    repeated = reliability_rows(columns)
    st.markdown("**Does the judge agree with itself?**")
    st.caption(words.RELIABILITY if repeated else words.NOT_REPEATED)
    if repeated:
        st.dataframe(repeated, hide_index=True, width="stretch")
    if columns:
        st.markdown("**Do scores agree from the first turn to the last?**")
        st.caption(words.STABILITY)
        show(
            stability_forest(columns),
            "stability",
            "Correlation of the scores at the first and the last turn, by trait",
        )


def _links(selected: Selection, run: RunSummary, choice: LayerChoice) -> None:
    """Projection against score, and whether length explains it."""
    layer = selected.layer if selected.layer is not None else choice.layer
    if layer is None:
        layer = run.record.layers[0]
    links = data.results().of_run(
        score_links, run.run_id, selected.prompt_set, selected.trait, layer
    )
    best = ", the best layer of this trait" if links.layer == choice.layer else ""
    st.caption(
        f"Layer {links.layer}{best}. Every point is a case; hover for scenario and scores. "
        f"{words.LENGTH_HELD_FIXED}"
    )
    st.dataframe(link_rows(links.rows), hide_index=True, width="stretch")
    left, right = st.columns(2)
    with left:
        st.caption(words.PROJECTION)
        show(projection_and_score(links), "projection", "Projection and score of every case")
    with right:
        st.caption(words.LENGTH)
        show(
            length_and_projection(links),
            "length",
            "Length of the response and projection of every case",
        )


def _findings(selected: Selection) -> tuple[Finding, Finding]:
    """Compression and ranks over the tested runs."""
    results = data.results()
    run_ids = tested_runs(selected)
    with st.spinner("Testing the study"):
        return score_findings(
            results.of_runs(findings_of_study, run_ids, selected.prompt_set, results.thresholds)
        )


def _ranks(selected: Selection, choices: tuple[LayerChoice, ...]) -> None:
    _, ranks = _findings(selected)
    st.markdown(f"**{ranks.question}** {ranks.answer}")
    st.caption(words.RANKS)
    show(
        pearson_beside_spearman(choices), "ranks", "Pearson and Spearman correlation of every trait"
    )
    st.dataframe(rank_rows(choices), hide_index=True, width="stretch")
    if ranks.rows:
        st.dataframe(finding_rows(ranks), hide_index=True, width="stretch")
    st.caption(f"{ranks.caveat} {words.printed_ranks()}")


def _compression(selected: Selection) -> None:
    compression, _ = _findings(selected)
    st.markdown(f"**{compression.question}** {compression.answer}")
    st.caption(
        "Partial correlations over models and traits: does r differ between models at equal score "
        f"spread, and does it follow the spread within a model? {compression.caveat}"
    )
    if compression.rows:
        st.dataframe(finding_rows(compression), hide_index=True, width="stretch")


def _poles(run_id: str) -> None:
    """Whether vectors could be learned from scored responses."""
    scale = data.results().of_run(score_scale, run_id)
    left, right = st.columns(2)
    with left:
        at_least = slider(
            "High at least", scale.low, scale.high, scale.step, scale.at_least, "high_at_least"
        )
    with right:
        at_most = slider(
            "Low at most", scale.low, scale.high, scale.step, scale.at_most, "low_at_most"
        )
    found = data.results().of_run(feasibility, run_id, at_least, at_most)
    st.markdown(f"**{found.finding.question}** {found.finding.answer}")
    st.caption(f"{words.POLES} {found.finding.caveat}")
    show(pole_counts(found), "poles", "Responses of both poles, by trait")


chosen = selection()
st.title("Is the judge the problem?")
run = require_run(chosen)
if run.record.target == "none":
    st.info("This study has no scored responses, so there is no judge to look at.")
    st.stop()
with data.faults_shown():
    responders = data.results().of_run(score_scale, run.run_id).responders
    responder = _ALL
    if len(responders) > 1:
        shown_as = {_ALL: "all responders"} | {name: name for name in responders}
        responder = select("Responses by", list(shown_as), "responder", shown_as)
    only = None if responder == _ALL else responder
    columns = data.results().of_run(score_columns, run.run_id, only)
    own = next((found for found in columns if found.trait == chosen.trait), None)
    st.markdown(f"**{words.column_answer(own)}**")
    st.caption(as_text(f"{chosen.trait.replace('_', ' ')} on {run_name(run)}"))
    view = segmented("Show", list(_VIEWS), "scores_view", _VIEWS)
    if view == "trait":
        _trait(own)
    elif view == "traits":
        _traits(columns, chosen.trait)
    elif view == "judge":
        _judge(columns)
    elif view == "compression":
        _compression(chosen)
    elif view == "poles":
        _poles(run.run_id)
    else:
        choices = data.results().of_run(
            layer_choices, run.run_id, chosen.prompt_set, data.results().thresholds
        )
        if view == "length":
            _links(chosen, run, choice_of(choices, chosen.trait))
        else:
            _ranks(chosen, choices)
