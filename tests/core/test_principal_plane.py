"""The plane against scikit-learn's full SVD and SciPy's, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import svd
from sklearn.decomposition import PCA

from backend.core.principal_plane import PrincipalPlane, plane_along, principal_plane


def drawn(count, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) * rng.uniform(0.1, 3.0, width) + 5.0


@pytest.mark.parametrize(("count", "width"), [(40, 300), (300, 40), (25, 25), (3, 64), (900, 2)])
def test_the_plane_is_sklearns(count, width):
    points = drawn(count, width)
    plane = principal_plane(points, points[0])
    assert isinstance(plane, PrincipalPlane)
    oracle = PCA(2, svd_solver="full").fit(points)
    assert plane.shares == pytest.approx(oracle.explained_variance_ratio_, rel=1e-10)
    theirs = oracle.transform(points)
    ours = plane.place(points)
    signs = np.sign((theirs * ours).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, rtol=0, atol=1e-8 * np.abs(theirs).max())


def test_the_axes_are_scipys_right_singular_vectors_turned_towards_the_direction():
    points = drawn(30, 100, seed=1)
    towards = np.random.default_rng(2).normal(size=100)
    plane = principal_plane(points, towards)
    _, _, rows = svd(points - points.mean(axis=0), full_matrices=False)
    assert np.abs((plane.axes * rows[:2]).sum(axis=1)) == pytest.approx([1.0, 1.0], abs=1e-12)
    assert plane.axes @ plane.axes.T == pytest.approx(np.eye(2), abs=1e-10)
    assert (plane.axes @ towards >= 0).all()


def test_a_difference_of_means_is_the_difference_of_its_places():
    points = drawn(20, 50, seed=3)
    high, low = points[:10].mean(axis=0), points[10:].mean(axis=0)
    plane = principal_plane(points, high - low)
    apart = plane.place(high) - plane.place(low)
    np.testing.assert_allclose(apart, plane.direction(high - low), atol=1e-12)
    inside = plane.axes.T @ apart
    expected = (inside @ inside) / ((high - low) @ (high - low))
    assert plane.share_inside(high - low) == pytest.approx(expected, rel=1e-12)
    assert plane.share_inside(plane.axes[0] - 2 * plane.axes[1]) == pytest.approx(1.0)
    assert plane.share_inside(np.zeros(50)) is None


def test_scale_and_place_of_the_points_change_nothing_but_the_units():
    points = drawn(15, 40, seed=4)
    towards = points[0] - points[1]
    plane, other = principal_plane(points, towards), principal_plane(1e3 * points + 7, towards)
    assert other.shares == pytest.approx(plane.shares)
    np.testing.assert_allclose(
        other.place(1e3 * points + 7), 1e3 * plane.place(points), rtol=1e-8, atol=1e-6
    )


def test_where_there_is_no_plane_the_reason_is_said():
    towards = np.ones(5)
    assert principal_plane(np.ones((2, 5)), towards) == (
        "a plane needs three points, and there are 2"
    )
    assert principal_plane(np.full((4, 5), 0.1), towards) == "all points are the same"
    line = np.outer(np.arange(6.0), np.arange(5.0)) + 3
    assert principal_plane(line, towards) == "all points lie on one line"
    assert principal_plane(np.arange(4.0)[:, None], np.ones(1)) == "all points lie on one line"


@pytest.mark.parametrize(("count", "width"), [(40, 300), (300, 40), (5, 64)])
def test_along_a_direction_the_second_axis_is_sklearns_of_the_rest(count, width):
    points = drawn(count, width, seed=5)
    direction = np.random.default_rng(6).normal(size=width)
    plane = plane_along(points, direction)
    unit = direction / np.linalg.norm(direction)
    rest = points - np.outer(points @ unit, unit)
    oracle = PCA(1, svd_solver="full").fit(rest)
    assert abs(plane.axes[1] @ oracle.components_[0]) == pytest.approx(1.0, abs=1e-10)
    assert plane.axes @ plane.axes.T == pytest.approx(np.eye(2), abs=1e-12)
    np.testing.assert_allclose(
        plane.place(points)[:, 0], (points - points.mean(axis=0)) @ unit, atol=1e-10
    )
    total = points.var(axis=0).sum()
    assert plane.shares[0] == pytest.approx((points @ unit).var() / total)
    assert plane.shares[1] == pytest.approx(
        oracle.explained_variance_[0] * (count - 1) / count / total
    )
    assert plane.share_inside(direction) == pytest.approx(1.0)


def test_without_a_direction_or_anything_across_it_there_is_no_plane():
    assert plane_along(drawn(5, 8), np.zeros(8)) == "v has no length"
    line = np.outer(np.arange(6.0), np.arange(5.0))
    assert plane_along(line, np.arange(5.0)) == "no three points differ across v"
