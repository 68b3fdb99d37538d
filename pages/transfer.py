"""Do other models' vectors do better?"""

from __future__ import annotations

from typing import cast

import streamlit as st

from backend.store.run_values import RunSummary
from backend.studies.published import TITLE
from backend.views.scorecard.compute import newest_by_model
from backend.views.transfer import words
from backend.views.transfer.compute import (
    TransferView,
    related_runs,
    scored_pairs,
    transfer_view,
)
from backend.views.transfer.figures import published_forest, transfer_differences, transfer_matrix
from backend.views.transfer.matching import Matching
from backend.views.transfer.published import published_agreements, published_transfers
from backend.views.transfer.tables import (
    agreement_rows,
    published_agreement_rows,
    published_rows,
    transfer_rows,
)
from pages.shared import data
from pages.shared.address import segmented, select, several
from pages.shared.figures import show
from pages.shared.sidebar import Selection, selection, short_names
from pages.shared.states import show_broken

_RUNS, _PUBLISHED = "runs", "published"
_MATCHINGS = {
    "text": "same response",
    "scenario": "same scenario",
}

_VIEWS = {
    "matrix": "Matrix",
    "trait": "This trait",
    "pair": "One pair",
    "ceilings": "Agreement of behaviours",
    "numbers": "Every number",
}


def _title(trait: str) -> str:
    return trait.replace("_", " ")


def _published() -> None:
    """The study's own transfer table."""
    st.caption(
        f"{TITLE}: r of Llama3's projections with Qwen2's score drift, beside r of Qwen2's own. "
        "The study mentions five failing traits and prints these four pairs, none of them won by "
        "the own vector: they are a selection."
    )
    pairs = published_transfers()
    st.subheader("A's r beside B's own")
    st.caption(
        "Overlap of the two intervals is no test of their difference: both r share B's behaviour. "
        "The table says what the missing correlation of the projections would have to be."
    )
    show(published_forest(pairs), "published_forest", "Printed r of A and of B's own vector")
    st.dataframe(published_rows(pairs), hide_index=True, width="stretch")
    st.subheader("How alike do the models behave?")
    st.caption(words.AGREEMENT)
    st.dataframe(published_agreement_rows(published_agreements()), hide_index=True, width="stretch")


def _judged(view: TransferView, by: Matching) -> None:
    """Whose responses count as whose behaviour."""
    said = words.judged_on(view, quote="`")
    if view.judged_alike:
        st.info(said)
        return
    st.caption(said)
    if by == "scenario":
        st.caption("A model that wrote no responses is represented by all responses it read.")


def _matrix(view: TransferView, chosen: Selection, by: Matching) -> None:
    st.subheader(f"{_title(chosen.trait)}: A's activations, B's behaviour")
    st.caption(f"**A → B**: {words.MEANING[by]} {words.matrix(view)}")
    show(
        transfer_matrix(view, chosen.trait),
        "matrix",
        "r of every model's vector on every model's behaviour",
    )
    if chosen.layer is None:
        st.caption(
            f"{words.BEST_LAYERS} Choose a layer in the sidebar for numbers without that choice."
        )
    if any(f.trait == chosen.trait for f in view.saved):
        st.caption(
            "Rows marked saved are vectors named in the Filter lab; those marked imported come "
            "from a file. If they were chosen on these scores, they are inflated by selection; "
            "their p is adjusted among themselves."
        )
    _judged(view, by)


def _this_trait(view: TransferView, chosen: Selection) -> None:
    """The differences of one trait, pair by pair."""
    st.caption(words.DIFFERENCES)
    here = [f for f in (*view.transfers, *view.saved) if f.trait == chosen.trait]
    labels = [f"{f.activation_model} → {f.behaviour_model}" for f in here]
    show(transfer_differences(here, labels), "pairs", "r of A minus B's own r, by pair")


def _one_pair(view: TransferView) -> None:
    """The differences of one pair, trait by trait."""
    pairs = {
        f"{f.activation_model}>{f.behaviour_model}": f"{f.activation_model} → {f.behaviour_model}"
        for f in view.transfers
    }
    pair = select("Pair", list(pairs), "pair", pairs)
    one = [f for f in view.transfers if f"{f.activation_model}>{f.behaviour_model}" == pair]
    st.caption(words.DIFFERENCES)
    differences = transfer_differences(one, [_title(f.trait) for f in one])
    show(differences, "traits", "r of A minus B's own r, by trait")


def _numbers(view: TransferView) -> None:
    found = [*view.transfers, *view.saved]
    st.dataframe(transfer_rows(view, found), hide_index=True, width="stretch")


def _ceilings(view: TransferView, trait: str, by: Matching) -> None:
    """How alike the responders behave."""
    found = [a for a in view.agreements if a.trait == trait]
    if not found:
        who = ", ".join(f"`{name}`" for name in view.responders) or "nobody"
        st.caption(f"Undefined: an agreement needs two responders, and the only one here is {who}.")
        return
    binds = (
        "It does not limit the r shown here, because A reads B's own text. Match by scenario to "
        "see the r that it limits."
        if by == "text"
        else "It limits the r shown here."
    )
    st.caption(f"{words.AGREEMENT} {binds}")
    st.dataframe(agreement_rows(found), hide_index=True, width="stretch")


def _related(run: RunSummary) -> tuple[str, ...]:
    """Runs of other studies that share scored scenarios with one."""
    results = data.results()
    return related_runs(
        run.run_id,
        data.run_list().runs,
        lambda other: results.of_run(scored_pairs, other),
    )


def _compared(chosen: Selection) -> None:
    """The chosen runs against each other."""
    every = {run.run_id: run for run in data.run_list().runs}
    mine = [run.run_id for run in chosen.runs]
    last = chosen.runs[-1]
    newest = [run.run_id for run in newest_by_model(chosen.runs)]
    names = dict(zip(mine, short_names(chosen.runs), strict=True))
    related = _related(last)
    others = short_names([every[run_id] for run_id in related])
    names |= {
        run_id: f"{name} · {every[run_id].record.study_name}"
        for run_id, name in zip(related, others, strict=True)
    }
    run_ids = several("Models compared", list(names), "transfer_runs", names, newest[-3:])
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
    with st.spinner("Comparing the runs"):
        view = data.results().with_saved(
            transfer_view, run_ids, last.traits, chosen.prompt_set, chosen.layer, by
        )
    st.markdown(f"**{words.answer(view, chosen.trait)}**")
    shown = segmented("Show", list(_VIEWS), "transfer_view", _VIEWS)
    if shown == "matrix":
        _matrix(view, chosen, by)
    elif shown == "trait":
        _this_trait(view, chosen)
    elif shown == "pair":
        _one_pair(view)
    elif shown == "ceilings":
        _ceilings(view, chosen.trait, by)
    else:
        _numbers(view)


chosen = selection()
st.title("Do other models' vectors do better?")
show_broken()
with data.faults_shown():
    sources = {_PUBLISHED: "published reference"}
    study_runs = len(chosen.runs)
    if study_runs > 1 or (study_runs == 1 and _related(chosen.runs[-1])):
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
