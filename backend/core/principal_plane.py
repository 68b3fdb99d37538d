"""A plane through points: where they differ most, or along a direction and where they differ most
across it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from backend.core.arrays import Floats

# A component whose variance is below this share of the total is rounding, and has no direction.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True, eq=False)
class PrincipalPlane:
    """Two orthonormal axes through the mean of some points.

    Attributes:
        centre: mean of the points, [d].
        axes: orthonormal, [2, d].
        shares: share of the points' variance along each axis, each in [0, 1].
    """

    centre: Floats
    axes: Floats
    shares: tuple[float, float]

    def place(self, points: Floats) -> Floats:
        """Coordinates in the plane, in the units of the points, [n, 2].

        Args:
            points: [n, d]; any, not only those that the plane was made of.
        """
        placed: Floats = (points - self.centre) @ self.axes.T
        return placed

    def direction(self, vector: Floats) -> Floats:
        """The part of a direction that lies in the plane, in its coordinates, [2].

        Args:
            vector: [d]; its place is not subtracted, as a direction has none.
        """
        inside: Floats = self.axes @ vector
        return inside

    def share_inside(self, vector: Floats) -> float | None:
        """The share of a direction's squared length that lies in the plane, in [0, 1]; None for a
        direction without length."""
        square = float(vector @ vector)
        if square == 0.0:
            return None
        inside = self.direction(vector)
        return min(1.0, float(inside @ inside) / square)


def principal_plane(points: Floats, towards: Floats) -> PrincipalPlane | str:
    """The plane of the first two principal components, exactly.

    The components are eigenvectors of the smaller of the covariance [d, d] and the points' inner
    products [n, n].

    Args:
        points: [n, d], finite.
        towards: [d]; both axes are turned so that they do not point against it, as the sign of a
            component is free.

    Returns:
        The plane, or why there is none: fewer than three points, or points on a line.
    """
    count, width = points.shape
    if count < 3:
        return f"a plane needs three points, and there are {count}"
    centre = points.mean(axis=0)
    apart = points - centre
    narrow = count <= width
    products = apart @ apart.T if narrow else apart.T @ apart
    total = float(np.trace(products))
    if total <= NEGLIGIBLE * float((points**2).sum()):
        return "all points are the same"
    size = len(products)
    variances, vectors = eigh(products, subset_by_index=[max(0, size - 2), size - 1])
    if len(variances) < 2 or variances[0] <= NEGLIGIBLE * total:
        return "all points lie on one line"
    axes = (apart.T @ vectors if narrow else vectors).T[::-1]
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    axes = axes * np.where(axes @ towards < 0, -1.0, 1.0)[:, None]
    first, second = (float(value) / total for value in variances[::-1])
    return PrincipalPlane(centre, axes, (first, second))


def plane_along(points: Floats, direction: Floats) -> PrincipalPlane | str:
    """The plane of a direction and of the first principal component of what is left without it.

    Args:
        points: [n, d], finite.
        direction: [d]; the first axis.

    Returns:
        The plane, or why there is none: a direction without length, fewer than three points, or
        points on a line along it.
    """
    length = float(np.linalg.norm(direction))
    if length == 0.0:
        return "v has no length"
    along = direction / length
    centre = points.mean(axis=0)
    apart = points - centre
    total = float((apart**2).sum())
    across = apart - np.outer(apart @ along, along)
    if len(points) < 3 or (across**2).sum() <= NEGLIGIBLE * total:
        return "no three points differ across v"
    narrow = len(across) <= across.shape[1]
    products = across @ across.T if narrow else across.T @ across
    top = len(products) - 1
    variances, vectors = eigh(products, subset_by_index=[top, top])
    axis = across.T @ vectors[:, 0] if narrow else vectors[:, 0]
    # Rounding leaves a trace of v, which a nearly flat rest would magnify.
    axis = axis - (axis @ along) * along
    axis = axis / np.linalg.norm(axis)
    shares = (float(((apart @ along) ** 2).sum()) / total, float(variances[0]) / total)
    return PrincipalPlane(centre, np.stack([along, axis]), shares)
