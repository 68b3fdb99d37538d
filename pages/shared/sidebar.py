"""The selection that all pages share, chosen in the sidebar and mirrored in the address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from backend.store.run_values import RunSummary
from backend.store.study import StudySummary
from backend.views.shared.style import IMAGE_FORMATS
from pages.shared import data
from pages.shared.address import segmented, select
from pages.shared.figures import IMAGES
from pages.shared.plain import as_text

BEST = "best"
_KEY = "selection"


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
    """

    study: StudySummary | None = None
    runs: tuple[RunSummary, ...] = ()
    run: RunSummary | None = None
    prompt_set: str = "default"
    trait: str = ""
    layer: int | None = None


def selection() -> Selection:
    """The selection of this rerun."""
    found: Selection = st.session_state.get(_KEY, Selection())
    return found


def choose() -> None:
    """Draw the sidebar's widgets and keep what they say. Called once per rerun, by app.py."""
    studies = data.study_list().studies
    with st.sidebar:
        if not studies:
            st.caption("No study yet. The sample appears here when the worker has imported it.")
            st.session_state[_KEY] = Selection()
            return
        found = data.run_list().runs
        extracted = {run.study_key for run in found}
        # What can be looked at first, real activations before simulated ones.
        order = sorted(studies, key=lambda s: (s.key not in extracted, s.simulated))
        by_key = {study.key: study for study in order}
        study = by_key[select("Study", list(by_key), "study", _study_name(by_key))]
        runs = tuple(run for run in found if run.study_key == study.key)
        prompt_set = study.prompt_sets[0]
        if len(study.prompt_sets) > 1:
            sets = {name: name for name in study.prompt_sets}
            prompt_set = select("Prompt set", list(sets), "prompts", sets)
        run = None
        if runs:
            by_id = {run.record.run_id: run for run in reversed(runs)}
            names = {run_id: run_name(run) for run_id, run in by_id.items()}
            run = by_id[select("Run", list(by_id), "run", names)]
        traits = {trait: trait.replace("_", " ") for trait in study.traits}
        trait = select("Trait", list(traits), "trait", traits)
        if study.traits[trait]:
            st.caption(as_text(study.traits[trait]))
        layer = None
        if run is not None:
            layers = {BEST: "best per trait"} | {str(n): str(n) for n in run.record.layers}
            chosen = select("Layer", list(layers), "layer", layers)
            layer = None if chosen == BEST else int(chosen)
        st.session_state[_KEY] = Selection(study, runs, run, prompt_set, trait, layer)
        st.caption(as_text(study.provenance))
        segmented(
            "Save charts as",
            IMAGE_FORMATS,
            IMAGES,
            {image: image.upper() for image in IMAGE_FORMATS},
            help="What the camera in a chart's bar saves. SVG for papers, PNG for slides.",
        )


def run_name(run: RunSummary) -> str:
    """A run's name among the runs of its study: model, layers and time."""
    layers = run.record.layers
    return (
        f"{run.label} · layers {layers[0]}–{layers[-1]} · "
        f"{run.record.created_at[5:16].replace('T', ' ')}"
    )


def _study_name(by_key: dict[str, StudySummary]) -> dict[str, str]:
    titles = [study.title for study in by_key.values()]
    return {
        key: study.title if titles.count(study.title) == 1 else f"{study.title} ({key})"
        for key, study in by_key.items()
    }
