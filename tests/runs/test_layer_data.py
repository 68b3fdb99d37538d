"""Inner products of a layer are those of its rows, also where some are left out."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.vectors.inner_product import layer_inner_products
from backend.core.vectors.responses import response_space
from backend.runs.layer_data import layer_data
from tests.support.studies import small_study

WIDTH = 48


def drawn(study, massive):
    """Prompts and responses with massive coordinates, as language models have them."""
    rng = np.random.default_rng(len(massive))
    prompts = rng.normal(size=(len(study.prompts), WIDTH))
    responses = rng.normal(size=(len(study.responses), WIDTH)) * np.linspace(1, 3, WIDTH) + 0.5
    for coordinate in massive:
        prompts[:, coordinate] += 400
        responses[:, coordinate] += 500
    return prompts, responses


def read(study, prompts, responses, **options):
    parts = lambda: iter(np.array_split(responses, 3))  # noqa: E731
    return layer_data(prompts, parts, study, "cpu", **options)


@pytest.mark.parametrize("massive", [(), (5,), (5, 17)])
def test_alignments_are_those_of_the_rows_under_every_metric(massive):
    study = small_study()
    prompts, responses = drawn(study, massive)
    data = read(study, prompts, responses)
    assert {m.name for m in data.inner_products} == {
        "identity",
        "massive_removed",
        "standardised",
        "response_pcs_removed_1",
        "response_pcs_removed_3",
    }
    removed = {m.name: m for m in data.inner_products}["massive_removed"]
    assert set(np.flatnonzero(removed.scale == 0)) == {*massive}
    scale = np.abs(responses) @ np.abs(prompts).T
    for metric in data.inner_products:
        whole = np.diag(metric.scale) - metric.removed.T @ metric.removed
        wanted = responses @ whole @ prompts.T
        np.testing.assert_array_less(
            np.abs(data.alignment[metric.name] - wanted), 1e-14 * scale.max() + 1e-12
        )
    # What is left without massive coordinates does not inherit their rounding.
    kept = removed.scale == 1
    np.testing.assert_allclose(
        data.alignment["massive_removed"],
        responses[:, kept] @ prompts[:, kept].T,
        rtol=1e-13,
        atol=1e-12,
    )


def test_some_prompts_without_probes_have_the_same_products():
    study = small_study()
    prompts, responses = drawn(study, (5,))
    data = read(study, prompts, responses)
    ids = np.arange(1, len(prompts), 2)
    part = read(study, prompts, responses, wanted=ids, probes=False)
    assert [m.name for m in part.inner_products] == [m.name for m in data.inner_products]
    for name in data.alignment:
        size = np.abs(data.alignment[name]).max()
        np.testing.assert_allclose(
            part.alignment_of(name, ids[2:4]),
            data.alignment_of(name, ids[2:4]),
            rtol=0,
            atol=1e-13 * size,
        )
    np.testing.assert_allclose(part.random, data.random, rtol=1e-12, atol=1e-9)
    assert part.features.shape[1] < data.features.shape[1]


def test_few_components_are_the_first_of_all():
    rng = np.random.default_rng(3)
    for count in (30, 90):
        rows = rng.normal(size=(count, WIDTH)) * np.linspace(1, 4, WIDTH)
        every = response_space(lambda rows=rows: [rows], count, WIDTH)
        few = response_space(lambda rows=rows: [rows], count, WIDTH, 4)
        np.testing.assert_allclose(few.sizes, every.sizes[:4], rtol=1e-10)
        cosines = np.abs((few.components * every.components[:4]).sum(axis=1))
        np.testing.assert_allclose(cosines, 1, rtol=1e-9)
        names = [m.name for m in layer_inner_products(few, rows)]
        assert names == [m.name for m in layer_inner_products(every, rows)]
