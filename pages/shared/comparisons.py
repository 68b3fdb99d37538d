"""Query results of the pages that compare models and methods, kept between reruns.

Saved vectors are part of what is compared and users add some, so their names are part of the key.
"""

from __future__ import annotations

import streamlit as st

from backend.runs import saved_vectors as saved
from backend.views.methods import comparison as method_tests
from backend.views.methods import compute as methods
from backend.views.methods import subsampling
from backend.views.study_tests import reference
from backend.views.transfer import compute as transfer
from pages.shared.data import settings


@st.cache_data(ttl=1.0, show_spinner=False)
def saved_names() -> tuple[str, ...]:
    """Names of the saved vectors."""
    return tuple(vector.name for vector in saved.saved_vectors(settings()))


@st.cache_data(show_spinner=False)
def related_runs(run_id: str, run_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Runs of other studies that share scenarios with one, among the runs there are now."""
    return tuple(found for found in transfer.related_runs(settings(), run_id) if found in run_ids)


@st.cache_data(show_spinner="Comparing the runs")
def _transfer_view(
    run_ids: tuple[str, ...],
    traits: tuple[str, ...],
    prompt_set: str,
    layer: int | None,
    by: transfer.Matching,
    names: tuple[str, ...],
) -> transfer.TransferView:
    return transfer.transfer_view(settings(), run_ids, traits, prompt_set, layer, by)


def transfer_view(
    run_ids: tuple[str, ...],
    traits: tuple[str, ...],
    prompt_set: str,
    layer: int | None,
    by: transfer.Matching,
) -> transfer.TransferView:
    """Every A -> B of some runs."""
    return _transfer_view(run_ids, traits, prompt_set, layer, by, saved_names())


@st.cache_data(show_spinner=False)
def published_transfers() -> tuple[reference.PublishedPair, ...]:
    """The printed transfer table."""
    return reference.published_transfers()


@st.cache_data(show_spinner=False)
def _method_grid(
    run_id: str, prompt_set: str, layer: int | None, names: tuple[str, ...]
) -> methods.MethodGrid:
    return methods.method_grid(settings(), run_id, prompt_set, layer)


def method_grid(run_id: str, prompt_set: str, layer: int | None) -> methods.MethodGrid:
    """All methods on all traits of a run."""
    return _method_grid(run_id, prompt_set, layer, saved_names())


@st.cache_data(show_spinner="Comparing the methods")
def _method_comparison(
    run_id: str, prompt_set: str, layer: int | None, names: tuple[str, ...]
) -> method_tests.MethodComparison:
    return method_tests.method_comparison(settings(), run_id, prompt_set, layer)


def method_comparison(
    run_id: str, prompt_set: str, layer: int | None
) -> method_tests.MethodComparison:
    """Every method of a run against the mean difference."""
    return _method_comparison(run_id, prompt_set, layer, saved_names())


@st.cache_data(show_spinner=False)
def method_choice(
    run_id: str, trait: str, prompt_set: str, layer: int | None
) -> method_tests.MethodChoice:
    """What choosing the best method of one trait is worth."""
    return method_tests.method_choice(settings(), run_id, trait, prompt_set, layer)


@st.cache_data(show_spinner=False)
def subsample_curve(
    run_id: str, trait: str, prompt_set: str, layer: int
) -> subsampling.SubsampleCurve:
    """r and cosine of vectors from fewer prompts."""
    return subsampling.subsampling(settings(), run_id, trait, prompt_set, layer)
