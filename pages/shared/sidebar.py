"""The selection that all pages share, chosen in the sidebar and mirrored in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from backend.errors import SteerscopeError
from backend.store.run_values import RunSummary
from backend.store.study import StudySummary
from backend.views.scorecard.compute import newest_by_model, runs_differ, scorecard
from backend.views.shared.study_names import study_names
from backend.views.shared.style import IMAGE_FORMATS
from pages.shared import data
from pages.shared.address import no_choice, segmented, select
from pages.shared.figures import IMAGES
from pages.shared.page_scripts import page_scripts
from pages.shared.plain import as_text

BEST = "best"
_KEY = "selection"
# The open prompt, by its number in the study; kept in the address alone, for links and Back.
OPEN_PROMPT = "prompt"
_STUDY = "study"
_LAYER = "Best per trait: the layer with the highest r, in every cell by itself."


@dataclass(frozen=True)
class Selection:
    """What the user looks at.

    Attributes:
        study: the chosen study; None while there is none.
        runs: its runs, oldest first.
        run: the run that pages about one run show; None while there is none.
        prompt_set: which prompts vectors are built from.
        trait: the trait that pages about one trait show.
        layer: the chosen layer; None for the best per trait.
        study_name: the study's title, told apart from that of its other revisions.
    """

    study: StudySummary | None = None
    runs: tuple[RunSummary, ...] = ()
    run: RunSummary | None = None
    prompt_set: str = "default"
    trait: str = ""
    layer: int | None = None
    study_name: str = ""


def selection() -> Selection:
    """The selection of this rerun."""
    found: Selection = st.session_state.get(_KEY, Selection())
    return found


def choose() -> None:
    """Draw the sidebar's widgets and keep what they say. Called once per rerun, by app.py."""
    studies = data.study_list().studies
    with st.sidebar:
        page_scripts()
        if not studies:
            st.caption("No study yet. The sample appears here when the worker has imported it.")
            st.session_state[_KEY] = Selection()
            return
        found = data.run_list().runs
        by_key = {study.key: study for study in _ordered(studies, found)}
        titles = study_names(studies)
        _of_the_run(found)
        about = _about(by_key, titles)
        study = by_key[
            select("Study", list(by_key), _STUDY, titles, about, on_change=_close_the_prompt)
        ]
        runs = tuple(run for run in found if run.study_key == study.key)
        prompt_set = study.prompt_sets[0]
        if len(study.prompt_sets) > 1:
            sets = {name: name for name in study.prompt_sets}
            prompt_set = select("Prompt set", list(sets), "prompts", sets)
        run = None
        if runs:
            by_id = {run.record.run_id: run for run in reversed(runs)}
            names = dict(zip(by_id, short_names(list(by_id.values())), strict=True))
            run = by_id[select("Run", list(by_id), "run", names, _every_run(by_id))]
        else:
            no_choice("Run", "run")
            no_choice("Layer", "layer", BEST)
        traits = {trait: trait.replace("_", " ") for trait in study.traits}
        trait = select("Trait", list(traits), "trait", traits, _described(study))
        layer = None
        if run is not None:
            layers = {BEST: "best per trait"} | {str(n): str(n) for n in run.record.layers}
            chosen = select("Layer", list(layers), "layer", layers, _LAYER)
            layer = None if chosen == BEST else int(chosen)
        st.session_state[_KEY] = Selection(
            study, runs, run, prompt_set, trait, layer, titles[study.key]
        )
        segmented(
            "Save charts as",
            IMAGE_FORMATS,
            IMAGES,
            {image: image.upper() for image in IMAGE_FORMATS},
            help="What the camera in a chart's bar saves. SVG for papers, PNG for slides.",
        )


def _close_the_prompt() -> None:
    """Another study, or revision, has another prompt by the same number."""
    st.query_params.pop(OPEN_PROMPT, None)


def _of_the_run(found: Sequence[RunSummary]) -> None:
    """Choose the study of the run that a link names without its study."""
    wanted = st.query_params.get("run")
    if wanted is None or _STUDY in st.session_state or _STUDY in st.query_params:
        return
    for run in found:
        if run.run_id == wanted:
            st.query_params[_STUDY] = run.study_key


def _ordered(
    studies: Sequence[StudySummary], found: Sequence[RunSummary]
) -> tuple[StudySummary, ...]:
    """Studies by what can be looked at first, real activations before simulated ones; where none
    is chosen yet, one whose models differ comes before all."""
    extracted = {run.study_key for run in found}
    order = sorted(studies, key=lambda s: (s.key not in extracted, s.simulated))
    if st.session_state.get(_STUDY, st.query_params.get(_STUDY)) is None:
        order.sort(key=lambda study: not _differs(study, found))
    return tuple(order)


def _differs(study: StudySummary, found: Sequence[RunSummary]) -> bool:
    runs = newest_by_model([run for run in found if run.study_key == study.key])
    if len(runs) < 2:
        return False
    results = data.results()
    ids = tuple(run.run_id for run in runs)
    try:
        card = results.of_runs(scorecard, ids, study.prompt_sets[0], None, results.thresholds)
    except SteerscopeError:
        return False  # its page names the fault once it is opened; the sidebar must not end here
    return runs_differ(card)


def _about(by_key: Mapping[str, StudySummary], titles: Mapping[str, str]) -> str:
    """Full names of the studies, each with where it comes from."""
    return "\n\n".join(
        f"**{as_text(titles[key])}** {as_text(study.provenance)}" for key, study in by_key.items()
    )


def _every_run(by_id: Mapping[str, RunSummary]) -> str:
    return "\n\n".join(run_name(run) for run in by_id.values())


def _described(study: StudySummary) -> str | None:
    """What the traits mean; of a simulated study that would give away what was planted."""
    if study.simulated:
        return None
    said = [
        f"**{as_text(trait.replace('_', ' '))}** {as_text(about)}"
        for trait, about in study.traits.items()
        if about
    ]
    return "\n\n".join(said) or None


def run_name(run: RunSummary) -> str:
    """A run's full name among the runs of its study: model, layers and time."""
    layers = run.record.layers
    return f"{run.label} · layers {layers[0]}–{layers[-1]} · {_time(run)}"


def short_names(runs: Sequence[RunSummary]) -> list[str]:
    """The model where that tells runs apart, else with the time of the run."""
    labels = [run.label for run in runs]
    return told_apart(
        [
            run.label if labels.count(run.label) == 1 else f"{run.label} · {_time(run)}"
            for run in runs
        ],
        runs,
    )


def told_apart(names: Sequence[str], runs: Sequence[RunSummary]) -> list[str]:
    """Names of runs, those that are the same with the end of the run's id."""
    return [
        name if names.count(name) == 1 else f"{name} · {run.record.run_id[-4:]}"
        for name, run in zip(names, runs, strict=True)
    ]


def _time(run: RunSummary) -> str:
    return run.record.created_at[5:16].replace("T", " ")
