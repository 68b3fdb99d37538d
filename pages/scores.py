"""Is the judge the problem?"""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.layers.compute import LayerChoice, choice_of, layer_choices
from backend.views.scores import words
from backend.views.scores.compute import score_columns, score_findings
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
from pages.shared.address import select, slider
from pages.shared.figures import show
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run
from pages.shared.tested_runs import tested_runs

_ALL = "all"
_LEVELS = "Responses of this study have no turn: there is no drift, and r is taken over levels."


def _distributions(chosen: Selection, run_id: str) -> None:
    """How the scores are spread, for the trait and for all traits."""
    responders = data.results().of_run(score_scale, run_id).responders
    responder = _ALL
    if len(responders) > 1:
        names = {_ALL: "all responders"} | {name: name for name in responders}
        responder = select("Responses by", list(names), "responder", names)
    only = None if responder == _ALL else responder
    columns = data.results().of_run(score_columns, run_id, only)
    column = next((found for found in columns if found.trait == chosen.trait), None)
    if column is None:
        st.info("No case of this trait has all its scores here.")
    else:
        st.caption(f"{words.SCORES} {_LEVELS if column.drift is None else words.DRIFTS}")
        left, right = st.columns(2)
        with left:
            show(score_histogram(column), "scores")
        if column.drift is not None:
            with right:
                show(drift_histogram(column.drift), "drifts")
    if not columns:
        return
    st.subheader("All traits side by side")
    st.caption(words.ALL_TRAITS)
    show(all_scores(columns, chosen.trait), "all")
    st.dataframe(use_rows(columns), hide_index=True, width="stretch")
    st.caption(
        "sd: standard deviation in score units with Bonett's 95% interval. Floor and ceiling: "
        "share of scores at the ends of the scale with Wilson's interval. In use: how many "
        "different scores. Rounding: how much of the variance that r is taken over rounding to the "
        "step, the usual difference between neighbouring scores, accounts for."
    )
    st.subheader("Do scores agree from the first turn to the last?")
    st.caption(words.STABILITY)
    show(stability_forest(columns), "stability")
    st.subheader("Does the judge agree with itself?")
    repeated = reliability_rows(columns)
    st.caption(words.RELIABILITY if repeated else words.NOT_REPEATED)
    if repeated:
        st.dataframe(repeated, hide_index=True, width="stretch")


def _links(chosen: Selection, run: RunSummary, choice: LayerChoice) -> None:
    """Projection against score, and whether length explains it."""
    layer = chosen.layer if chosen.layer is not None else choice.layer
    if layer is None:
        layer = run.record.layers[0]
    links = data.results().of_run(score_links, run.run_id, chosen.prompt_set, chosen.trait, layer)
    best = ", the best layer of this trait" if links.layer == choice.layer else ""
    st.subheader("Do scores follow projections, or does length?")
    st.caption(f"Layer {links.layer}{best}. Every point is a case; hover for scenario and scores.")
    left, right = st.columns(2)
    with left:
        st.caption(words.PROJECTION)
        show(projection_and_score(links), "projection")
    with right:
        st.caption(words.LENGTH)
        show(length_and_projection(links), "length")
    st.caption(words.LENGTH_HELD_FIXED)
    st.dataframe(link_rows(links.rows), hide_index=True, width="stretch")


def _counted(run_ids: tuple[str, ...]) -> str:
    return "one run" if len(run_ids) == 1 else f"{len(run_ids)} runs"


def _ranks(chosen: Selection, choices: tuple[LayerChoice, ...]) -> None:
    st.subheader("Would ranks do better?")
    st.caption(words.RANKS)
    show(pearson_beside_spearman(choices), "ranks")
    st.dataframe(rank_rows(choices), hide_index=True, width="stretch")
    results = data.results()
    run_ids = tested_runs(chosen)
    compression, ranks = score_findings(
        results.of_runs(findings_of_study, run_ids, chosen.prompt_set, results.thresholds)
    )
    st.markdown(f"**Over {_counted(run_ids)} of this study: {ranks.verdict}.** {ranks.answer}")
    if ranks.rows:
        st.dataframe(finding_rows(ranks), hide_index=True, width="stretch")
    st.caption(
        f"{ranks.caveat} The published study printed a mean Pearson r of 0.296 and a mean "
        "Spearman rho of 0.264."
    )
    st.subheader("Does compression explain which cells fail?")
    st.caption(
        "The study's partial correlations over models and traits: does r differ between models "
        "whose scores vary equally, and does it follow the scores' spread within a model?"
    )
    st.markdown(f"**{compression.verdict.capitalize()}.** {compression.answer}")
    if compression.rows:
        st.dataframe(finding_rows(compression), hide_index=True, width="stretch")
    st.caption(compression.caveat)


def _poles(run_id: str) -> None:
    scale = data.results().of_run(score_scale, run_id)
    st.subheader("Could vectors be learned from scored responses?")
    left, right = st.columns(2)
    with left:
        at_least = slider(
            "High at least", scale.low, scale.high, scale.step, scale.at_least, "high_at_least"
        )
    with right:
        at_most = slider(
            "Low at most", scale.low, scale.high, scale.step, scale.at_most, "low_at_most"
        )
    st.caption(words.POLES)
    found = data.results().of_run(feasibility, run_id, at_least, at_most)
    show(pole_counts(found), "poles")
    st.markdown(found.finding.answer)
    st.caption(found.finding.caveat)


chosen = selection()
st.title("Is the judge the problem?")
run = require_run(chosen)
st.caption(f"{chosen.trait.replace('_', ' ')} on {run_name(run)}")
if run.record.target == "none":
    st.info("This study has no scored responses, so there is no judge to look at.")
    st.stop()
with data.faults_shown():
    choices = data.results().of_run(
        layer_choices, run.run_id, chosen.prompt_set, data.results().thresholds
    )
    _distributions(chosen, run.run_id)
    _links(chosen, run, choice_of(choices, chosen.trait))
    _ranks(chosen, choices)
with data.faults_shown():
    _poles(run.run_id)
