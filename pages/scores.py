"""Is the judge the problem?"""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.layers.compute import LayerChoice
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
from backend.views.study_tests.figures import finding_rows
from pages.shared import data
from pages.shared.address import select, slider
from pages.shared.figures import show
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

_ALL = "all"


def _distributions(chosen: Selection, run_id: str) -> None:
    """How the scores are spread, for the trait and for all traits."""
    responders = data.score_scale(run_id).responders
    responder = _ALL
    if len(responders) > 1:
        names = {_ALL: "all responders"} | {name: name for name in responders}
        responder = select("Responses by", list(names), "responder", names)
    columns = data.score_columns(run_id, None if responder == _ALL else responder)
    column = next((found for found in columns if found.trait == chosen.trait), None)
    if column is None:
        st.info("No case of this trait has all its scores here.")
    else:
        st.caption(
            "Scores piled up at an end, or on few values, leave a vector nothing to predict. r is "
            "taken over the changes on the right: if most are zero, few scenarios decide it."
            if column.drift is not None
            else "Scores piled up at an end, or on few values, leave a vector nothing to predict. "
            "This study has one score per scenario: there is no drift, and r is taken over levels."
        )
        left, right = st.columns(2)
        with left:
            show(score_histogram(column), "scores")
        if column.drift is not None:
            with right:
                show(drift_histogram(column.drift), "drifts")
    if not columns:
        return
    st.subheader("All traits side by side")
    st.caption(
        "A trait whose row is bright at one end, or in a few columns only, is compressed. Scores "
        "of both turns are counted together."
    )
    show(all_scores(columns, chosen.trait), "all")
    st.dataframe(use_rows(columns), hide_index=True, width="stretch")
    st.caption(
        "sd: standard deviation in score units with Bonett's 95% interval. Floor and ceiling: "
        "share of scores at the ends of the scale with Wilson's interval. In use: how many "
        "different scores. Rounding: how much of the variance rounding to the step, the smallest "
        "difference in use, accounts for."
    )
    st.subheader("Do scores agree from the first turn to the last?")
    st.caption(
        "An unreliable judge errs anew each time, so its scores at t1 and tN have little in "
        "common. Between the dotted lines that may be so, or the behaviour itself changes as much."
    )
    show(stability_forest(columns), "stability")


def _links(chosen: Selection, run: RunSummary, choice: LayerChoice) -> None:
    """Projection against score, and whether length explains it."""
    layers = run.record.layers
    layer = chosen.layer if chosen.layer is not None else choice.layer
    links = data.score_links(
        run.record.run_id, chosen.prompt_set, chosen.trait, layers[0] if layer is None else layer
    )
    best = ", the best layer of this trait" if links.layer == choice.layer else ""
    st.subheader("Do scores follow projections, or does length?")
    st.caption(f"Layer {links.layer}{best}. Every point is a case; hover for scenario and scores.")
    st.caption(
        "On the left a slope means that the vector predicts the score; on the right, that it also "
        "reads how long the response is."
    )
    left, right = st.columns(2)
    with left:
        show(projection_and_score(links), "projection")
    with right:
        show(length_and_projection(links), "length")
    st.caption(
        "If r falls to zero with length held fixed, the vector predicts the score only through "
        "length; if it stays, length is not the reason. Length is in tokens of this model."
    )
    st.dataframe(link_rows(links.rows), hide_index=True, width="stretch")


def _ranks(chosen: Selection, choices: tuple[LayerChoice, ...]) -> None:
    st.subheader("Would ranks do better?")
    st.caption(
        "Outliers or a bent relation would put Spearman's diamond clearly right of Pearson's "
        "circle."
    )
    show(pearson_beside_spearman(choices), "ranks")
    st.dataframe(rank_rows(choices), hide_index=True, width="stretch")
    compression, ranks = data.score_findings(
        tuple(run.record.run_id for run in chosen.runs), chosen.prompt_set
    )
    st.markdown(f"**Over all runs of this study: {ranks.verdict}.** {ranks.answer}")
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
    scale = data.score_scale(run_id)
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
    st.caption(
        "A probe needs examples of both poles: with few of one, a single response turns it. Bars "
        "to the right count responses of the high pole, to the left of the low pole; ✕ marks a "
        "pole with too few."
    )
    found = data.feasibility(run_id, at_least, at_most)
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
    choices = data.layer_choices(run.record.run_id, chosen.prompt_set)
    choice = next(found for found in choices if found.trait == chosen.trait)
    _distributions(chosen, run.record.run_id)
    _links(chosen, run, choice)
    _ranks(chosen, choices)
with data.faults_shown():
    _poles(run.record.run_id)
