"""The Runs page: two runs side by side."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.runs.comparison import (
    Comparison,
    LayerRule,
    Side,
    comparable_runs,
    compare,
    default_sides,
    previous_run,
    sides_of,
    what_differs,
)
from backend.views.runs.figures import r_changes
from backend.views.runs.prompt_sets import results_by_set, set_rows
from backend.views.runs.tables import pole_rows, prompt_rows, r_rows
from backend.views.runs.words import answer, changes_of_prompts, sentences
from pages.shared import data
from pages.shared.address import segmented, select
from pages.shared.figures import show
from pages.shared.navigate import open_page
from pages.shared.sidebar import Selection, run_name

VIEW = "runs_view"
COMPARE = "compare"
_BEFORE, _BEST = "before", "best"
_VIEWS = {"r": "Change of r", "prompts": "Prompts", "agreement": "Agreement of prompts"}
_PAGE = "pages/runs.py"
# Place of the button that stands on every other page.
CHIP = "chip"
_ASKED = "comparison asked for"
_KEYS = ("run_a", "set_a", "run_b", "set_b")
_MEASURES = {
    "mean cosine": "cosine",
    "spread": "spread (scale-free)",
    "within-class variance": "variance (raw)",
}


def offer_comparison(run_id: str, place: str) -> None:
    """A button that opens the comparison of a run with the one before it, where there is one.

    Args:
        run_id: the later run.
        place: where the button stands, so that two of them differ: on the Runs page, or CHIP.
    """
    runs = data.run_list().runs
    before = previous_run(runs, run_id)
    if before is None:
        return
    after = next(run for run in runs if run.run_id == run_id)
    st.button(
        "Compare with the previous run",
        key=f"compare-{place}-{run_id}",
        icon=":material/compare_arrows:",
        on_click=_open,
        args=(place, *sides_of(before, after)),
    )


def _open(place: str, first: Side, second: Side) -> None:
    values = (first.run_id, first.prompt_set, second.run_id, second.prompt_set)
    choices = {VIEW: COMPARE} | dict(zip(_KEYS, values, strict=True))
    if place == CHIP:
        open_page(_PAGE, choices)
    else:
        st.session_state.update(choices)
    st.session_state[_ASKED] = True


def leave_if_asked() -> None:
    """Leave a fragment for a comparison that a click inside it asked for.

    Such a click runs the fragment alone, and app.py goes to the page.
    """
    if st.session_state.pop(_ASKED, False):
        st.rerun(scope="app")


def compare_runs(chosen: Selection) -> None:
    """Choose two sides and see what changed between them."""
    if chosen.study is None:
        st.info("There is no study yet, so nothing to compare.")
        return
    runs = comparable_runs(data.run_list().runs, chosen.study.name)
    sides = default_sides(runs)
    if sides is None:
        st.info(
            "A comparison needs two runs of this study, of any revision, model or pooling, or one "
            "run with two prompt sets. Extract again first.",
            icon=":material/compare_arrows:",
        )
        return
    by_id = {run.run_id: run for run in runs}
    left, right = st.columns(2)
    with left:
        first = _run("A, before", by_id, sides[0].run_id, "run_a")
    with right:
        second = _run("B, after", by_id, sides[1].run_id, "run_b")
    wanted = sides_of(first, second)
    with left:
        set_a = _set("Prompt set of A", first, wanted[0].prompt_set, "set_a")
    with right:
        set_b = _set("Prompt set of B", second, wanted[1].prompt_set, "set_b")
    differences = what_differs((first, set_a), (second, set_b))
    if not differences and first is second:
        st.info("Both sides are the same: choose another run or prompt set on one of them.")
        return
    said = "; ".join(differences) or "nothing but the time"
    if len(differences) > 1:
        said += f". {len(differences)} things differ, so the cause of a change is unclear"
    st.caption(f"What differs: {said}.")
    common = [layer for layer in first.record.layers if layer in second.record.layers]
    layers = {_BEFORE: "for each trait, A's best on both sides"} if common else {}
    layers |= {str(layer): str(layer) for layer in common}
    layers |= {_BEST: "each side's own best"}
    layer = select("Layer", list(layers), "compare_layer", layers)
    rule: LayerRule = None if layer == _BEST else "before" if layer == _BEFORE else int(layer)
    with st.spinner("Comparing the runs"):
        found = data.results().of_runs(compare, (first.run_id, second.run_id), (set_a, set_b), rule)
    _show(found)
    if len(first.prompt_sets) > 1:
        _by_set(first)


def _by_set(run: RunSummary) -> None:
    """r of every prompt set of a run, such as those of thresholds of judge scores."""
    with st.expander("r of every prompt set of A", icon=":material/table_rows:"):
        st.caption(
            "Mean difference. All sets are scored on the same responses, and may share prompts: "
            "intervals that overlap do not say that two sets are equal. Choose them as A and B "
            "for a test of their difference."
        )
        rows = set_rows(data.results().of_run(results_by_set, run.run_id))
        st.dataframe(rows, hide_index=True, width="stretch")


def _run(label: str, by_id: dict[str, RunSummary], default: str, key: str) -> RunSummary:
    revisions = {run.record.study_hash for run in by_id.values()}
    names = {
        run_id: run_name(run)
        + (f" · revision {run.record.study_hash[:6]}" if len(revisions) > 1 else "")
        for run_id, run in by_id.items()
    }
    return by_id[select(label, _first(default, by_id), key, names)]


def _set(label: str, run: RunSummary, default: str, key: str) -> str:
    names = {name: name for name in run.prompt_sets}
    return select(label, _first(default, names), key, names)


def _first(default: str, options: Iterable[str]) -> list[str]:
    """The options with the default in front, as it is what a choice falls back to."""
    return sorted(options, key=lambda option: option != default)


def _show(found: Comparison) -> None:
    st.markdown(f"**{answer(found)}**")
    view = segmented("Show", list(_VIEWS), "compare_view", _VIEWS)
    if view == "r":
        _changes(found)
    elif view == "prompts":
        _prompts(found)
    else:
        _agreement(found)


def _changes(found: Comparison) -> None:
    """r of both sides."""
    st.caption(
        "r of B minus r of A over the cases that both have. ▲ ▼: significant at a 5% false "
        "discovery rate (Benjamini-Hochberg) over the changed traits."
    )
    if found.layer is None:
        st.caption(
            "Each side is at its own best layer, so both r are inflated by selection, which the "
            "test does not allow for. Compare at one layer to avoid this."
        )
    elif found.layer == "before":
        st.caption(
            "Both sides are at A's best layer of the trait. It was chosen by A's r, which favours "
            "A; a fixed layer favours neither."
        )
    if any(not trait.unchanged for trait in found.traits):
        show(r_changes(found), "r_changes", "r of B minus r of A, by trait")
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences(found)))
    with st.expander("The numbers"):
        st.dataframe(r_rows(found), hide_index=True, width="stretch")


def _prompts(found: Comparison) -> None:
    """Which prompts were removed and added."""
    written = [t for t in found.traits if any(c.removed or c.added for c in t.prompts)]
    if not written:
        st.info("Both sides have the same prompts.")
    for trait in written:
        st.markdown(f"**{trait.trait.replace('_', ' ')}**: {changes_of_prompts(trait)}")
        st.dataframe(prompt_rows(trait), hide_index=True, width="stretch")


def _agreement(found: Comparison) -> None:
    """Do the prompts agree better?"""
    measure = segmented("Measure", list(_MEASURES), "compare_measure", _MEASURES)
    st.caption(
        "95% intervals: bootstrap over prompts (2,000 resamples, expanded percentiles). A prompt "
        "drawn twice is not paired with itself. Prompts that both sides have are drawn together."
    )
    if measure == "within-class variance":
        st.caption(
            "The raw variance has the units of each side's activations, squared: across models or "
            "layers compare the spread instead."
        )
    st.dataframe(pole_rows(found, measure), hide_index=True, width="stretch")
