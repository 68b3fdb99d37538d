"""Do other models' vectors do better?"""

from __future__ import annotations

from typing import cast

import streamlit as st

from backend.views.study_tests.reference import TITLE, published_agreements
from backend.views.transfer.compute import Matching, TransferView
from backend.views.transfer.figures import (
    agreement_rows,
    published_agreement_rows,
    published_forest,
    published_rows,
    transfer_differences,
    transfer_matrix,
    transfer_rows,
)
from pages.shared import comparisons, data
from pages.shared.address import segmented, select, several
from pages.shared.figures import show
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import show_broken

_RUNS, _PUBLISHED = "runs", "published"
_MATCHINGS = {
    "text": "same response",
    "scenario": "same scenario",
}
_MEANING = {
    "text": "**A → B**: A reads the very responses whose scores are B's behaviour. r correlates, "
    "over them, the drift of A's activations along A's vector with the drift of the score. It asks "
    "whose vector reads the behaviour better: no vector is moved into another model, and nothing "
    "is steered.",
    "scenario": "**A → B**: A reads its own response to a scenario, B's behaviour is the score of "
    "B's response to the same scenario. r correlates the two over scenarios, so it cannot be "
    "expected to exceed the agreement of their behaviours below, however good A's vector is.",
}


def _words(trait: str) -> str:
    return trait.replace("_", " ")


def _published() -> None:
    """The study's own transfer table."""
    st.caption(
        f"{TITLE}: r of Llama3's projections with Qwen2's score drift, beside r of Qwen2's own. "
        "Only these four pairs are printed, out of five failing traits that the study speaks of, "
        "and none in which the own vector won is shown: they are a selection."
    )
    pairs = comparisons.published_transfers()
    st.subheader("A's r beside B's own")
    st.caption(
        "Overlap of the two intervals is no test of their difference: both r share B's behaviour. "
        "The table says what the missing correlation of the projections would have to be."
    )
    show(published_forest(pairs), "published_forest")
    st.dataframe(published_rows(pairs), hide_index=True, width="stretch")
    st.subheader("How alike do the models behave?")
    st.caption(
        "Projections that equal A's behaviour correlate with B's behaviour as A's behaviour does: "
        "the agreement is the highest r to be expected of a measure of A on B."
    )
    st.dataframe(published_agreement_rows(published_agreements()), hide_index=True, width="stretch")


def _judged(view: TransferView, by: Matching) -> None:
    """Whose responses count as whose behaviour."""
    if len({view.judged_on[model] for model in view.models}) == 1:
        writers = ", ".join(f"`{who}`" for who in view.judged_on[view.models[0]])
        st.info(
            f"All responses were written by {writers}, not by the models compared, so every model "
            "is judged on the same scores. A row has the same r in every column where the same "
            "cases match; what changes is the own vector it is held against, and A → B and B → A "
            "are one comparison with the sign turned. Saying which model's vector suits another "
            "model's behaviour needs responses of two models."
            if writers
            else "There are no scored responses, so there is nothing to compare."
        )
        return
    lines = [
        f"{model}: responses by {', '.join(f'`{who}`' for who in view.judged_on[model])}"
        for model in view.models
    ]
    st.caption("Whose responses are a model's behaviour: " + "; ".join(lines) + ".")
    if by == "text":
        return
    st.caption("A model that wrote no responses stands for itself by all that it read.")


def _matrix(view: TransferView, chosen: Selection) -> None:
    st.subheader(f"{_words(chosen.trait)}: A's activations, B's behaviour")
    st.caption(
        "Rows: A, whose activations are projected; columns: B, whose behaviour is to be "
        "predicted. ▲ A beats B's own vector, ▼ B's own is better, ○ no difference shown; by the "
        f"Benjamini-Hochberg p (5%) over the {view.tests()} comparisons of all ordered pairs of "
        f"the runs shown on all {len(view.traits)} traits. The diagonal is each model's own r."
    )
    show(transfer_matrix(view, chosen.trait), "matrix")
    if chosen.layer is None:
        st.caption(
            "Each vector is at its model's layer with the highest r of its own, on the same "
            "scores: both r are flattered, and neither interval nor p allows for it. Choose a "
            "layer in the sidebar for numbers without that choice."
        )
    if any(f.trait == chosen.trait for f in view.saved):
        st.caption(
            "Rows marked saved are vectors named in the Filter lab. They may have been chosen by "
            "looking at these scores, so they are flattered; their p is adjusted among themselves."
        )


def _differences(view: TransferView, chosen: Selection) -> None:
    st.subheader("By how much?")
    st.caption(
        "Right of zero A does better than B's own vector. Both r share B's behaviour, so the "
        "interval is Zou's and p Williams's, for dependent correlations; both take the cases as "
        "independent. Intervals are not adjusted for the number of tests, so one may leave out "
        "zero without a ▲ or ▼."
    )
    here = [f for f in (*view.transfers, *view.saved) if f.trait == chosen.trait]
    labels = [f"{f.activation_model} → {f.behaviour_model}" for f in here]
    show(transfer_differences(here, labels), "pairs")
    pairs = {
        f"{f.activation_model}>{f.behaviour_model}": f"{f.activation_model} → {f.behaviour_model}"
        for f in view.transfers
    }
    st.subheader("One pair on every trait")
    pair = select("Pair", list(pairs), "pair", pairs)
    one = [f for f in view.transfers if f"{f.activation_model}>{f.behaviour_model}" == pair]
    st.caption(f"{pairs[pair]}, the same difference trait by trait.")
    show(transfer_differences(one, [_words(f.trait) for f in one]), "traits")
    with st.expander("Every number"):
        found = [*view.transfers, *view.saved]
        st.dataframe(transfer_rows(view, found), hide_index=True, width="stretch")


def _ceilings(view: TransferView, trait: str, by: Matching) -> None:
    st.subheader("How alike do the responders behave?")
    found = [a for a in view.agreements if a.trait == trait]
    if not found:
        who = ", ".join(f"`{name}`" for name in view.responders) or "nobody"
        st.caption(
            f"Undefined: the only responder is {who}, and an agreement needs two. So no ceiling "
            "of transfer can be given."
        )
        return
    st.caption(
        "The agreement of two responders' behaviours is the highest r to be expected of a perfect "
        "measure of one on the other. "
        + (
            "It does not bind the numbers above, where A reads B's own text; match by scenario "
            "for those that it binds."
            if by == "text"
            else "It binds the numbers above."
        )
    )
    st.dataframe(agreement_rows(found), hide_index=True, width="stretch")


def _compared(chosen: Selection) -> None:
    """The chosen runs against each other."""
    every = {run.record.run_id: run for run in data.run_list().runs}
    mine = [run.record.run_id for run in chosen.runs]
    others = comparisons.related_runs(mine[-1], tuple(every))
    names = {run_id: run_name(every[run_id]) for run_id in mine}
    names |= {
        run_id: f"{run_name(every[run_id])} · {every[run_id].record.study_name}"
        for run_id in others
    }
    run_ids = tuple(several("Models compared", list(names), "transfer_runs", names, mine[-3:]))
    by = cast(
        Matching,
        segmented(
            "Cases matched by",
            list(_MATCHINGS),
            "matched",
            _MATCHINGS,
            help="The same response: scenario, responder and text are the same in both runs. The "
            "same scenario: each model's own response to it.",
        ),
    )
    if len(run_ids) < 2:
        st.info("Choose at least two runs above.")
        return
    view = comparisons.transfer_view(
        run_ids, every[mine[-1]].traits, chosen.prompt_set, chosen.layer, by
    )
    st.markdown(_MEANING[by])
    _judged(view, by)
    _matrix(view, chosen)
    _differences(view, chosen)
    _ceilings(view, chosen.trait, by)


chosen = selection()
st.title("Do other models' vectors do better?")
show_broken()
with data.faults_shown():
    sources = {_PUBLISHED: "published reference"}
    study_runs = len(chosen.runs)
    if study_runs > 1 or (
        study_runs == 1
        and comparisons.related_runs(
            chosen.runs[-1].record.run_id, tuple(r.record.run_id for r in data.run_list().runs)
        )
    ):
        sources = {_RUNS: "runs of the chosen study"} | sources
    else:
        st.info(
            "A comparison needs runs of two models on the same responses, and the chosen study "
            f"has {'one run' if study_runs else 'none'}. Extract it with another model on the Runs "
            "page. Until then, this is what the study printed."
        )
    if segmented("Shown", list(sources), "transfer", sources) == _PUBLISHED:
        _published()
    else:
        _compared(chosen)
