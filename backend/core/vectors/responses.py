"""What the responses of one layer look like: mean, spread per coordinate, principal components.

Accumulated over chunks of responses, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from backend.core.arrays import Floats

# Probes are fitted in the span of this many principal components: all of it with as many
# responses or fewer.
MOST_COMPONENTS = 256
# Up to so many times as many eigenvectors as are wanted, and all of a small matrix, are found
# sooner all at once, by numpy: its threads, which made the matrix, wait busily for some time, and
# scipy's would share the cores with them.
_ALL_AT_ONCE, _SMALL = 6, 600


@dataclass(frozen=True)
class ResponseSpace:
    """Moments of the responses R (N x d) at one layer.

    Attributes:
        count: N.
        mean: [d].
        variance: population variance per coordinate, [d].
        components: orthonormal principal components, largest first, [q, d].
        sizes: variance along each, [q].
        coordinates: of the responses less their mean along the components, [N, q]; None where
            they are more than d, which are not held.
    """

    count: int
    mean: Floats
    variance: Floats
    components: Floats
    sizes: Floats
    coordinates: Floats | None = None

    @property
    def rms(self) -> Floats:
        """Root mean square of each coordinate, [d], activation units."""
        rms: Floats = np.sqrt(self.variance + np.square(self.mean))
        return rms


def response_space(
    chunks: Callable[[], Iterable[Floats]],
    count: int,
    width: int,
    components: int = MOST_COMPONENTS,
) -> ResponseSpace:
    """Moments and principal components of responses that arrive in chunks.

    They are read twice: for the mean, then for the spread. At most d rows, or d x d products, are
    held at a time.

    Args:
        chunks: gives all responses again each time it is called, [n, d] float64 at a time.
        count: N, their number in all.
        width: d.
        components: how many principal components at most.
    """
    if count == 0:
        return ResponseSpace(0, np.zeros(width), np.zeros(width), np.zeros((0, width)), np.zeros(0))
    mean = np.zeros(width)
    for part in chunks():
        mean += part.sum(axis=0) / count
    variance = np.zeros(width)
    held: list[Floats] = []
    scatter = np.zeros((width, width)) if count > width else None
    for part in chunks():
        centred = part - mean
        variance += np.einsum("ij,ij->j", centred, centred) / count
        if scatter is None:
            held.append(centred)
        else:
            scatter += centred.T @ centred
    most = min(count - 1, width, components)
    if most < 1 or float(variance.max(initial=0.0)) <= 0:
        return ResponseSpace(count, mean, variance, np.zeros((0, width)), np.zeros(0))
    if scatter is None:
        rows = held[0] if len(held) == 1 else np.concatenate(held)
        sizes, vectors = _largest(rows @ rows.T, most)
        lengths = np.sqrt(sizes)
        axes, coordinates = (vectors / lengths).T @ rows, vectors * lengths
    else:
        sizes, vectors = _largest(scatter, most)
        axes, coordinates = vectors.T, None
    axes = np.ascontiguousarray(axes)
    return ResponseSpace(count, mean, variance, axes, sizes / count, coordinates)


def _largest(matrix: Floats, most: int) -> tuple[Floats, Floats]:
    """Largest eigenvalues that are not rounding, and their vectors as columns."""
    n = len(matrix)
    if n <= max(_ALL_AT_ONCE * most, _SMALL):
        sizes, vectors = np.linalg.eigh(matrix)
    else:
        sizes, vectors = eigh(matrix, subset_by_index=[n - most, n - 1])
    sizes, vectors = sizes[::-1][:most], vectors[:, ::-1][:, :most]
    used = sizes > 1e-12 * sizes[0]
    return sizes[used], vectors[:, used]
