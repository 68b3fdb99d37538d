"""Our own numerics against scikit-learn's. Run with ``make bench-libraries``.

Where scikit-learn is as exact and about as fast, its code is the one to use. Sizes are those of a
run: 40 prompts of a trait, responses in chunks as the work file gives them, probes over all
strengths. Both sides take turns and are timed in seconds of this process's CPU, so that a busy
machine slows neither. Ratios are own over scikit-learn: below 1, ours is faster or smaller. A gap
is the largest difference of the results, relative to the largest of ours. Peaks of memory are
those of processes of their own. Threads of BLAS wait for each other on a busy machine: set
``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold

from backend.core.arrays import Floats
from backend.core.vectors.folds import grouped_folds
from backend.core.vectors.inner_product import within_class
from backend.core.vectors.logistic import logistic_fits
from backend.core.vectors.probes import (
    INNER,
    OUTER,
    RIDGES,
    SEED,
    STRENGTHS,
    RidgeTarget,
    ridge_probes,
)
from backend.core.vectors.responses import MOST_COMPONENTS, response_space
from tests.benchmarks.memory import peak_of_this_process

REPOSITORY = Path(__file__).resolve().parents[2]
PROMPTS, CHUNK = 40, 128
HIGH = np.arange(PROMPTS) < PROMPTS // 2
# Responses and width of a layer in the comparison of memory, where ours stays flat.
TALL = (8000, 576)
Way = Callable[[], Floats]


@dataclass(frozen=True)
class Figures:
    """One comparison.

    Attributes:
        own: seconds, median.
        other: the same of scikit-learn.
        gap: largest relative difference of the results.
    """

    own: float
    other: float
    gap: float


def compared(own: Way, other: Way, rounds: int = 5) -> Figures:
    """Both ways in turn; what they give must have one shape."""
    wanted, found = own(), other()
    gap = float(np.abs(wanted - found).max() / np.abs(wanted).max())
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for way, taken in zip((own, other), times, strict=True):
            started = time.process_time()
            way()
            taken.append(time.process_time() - started)
    return Figures(statistics.median(times[0]), statistics.median(times[1]), gap)


def prompts(width: int) -> Floats:
    """Prompts of two poles with a common offset and one massive coordinate, [40, width]."""
    rng = np.random.default_rng(width)
    rows = rng.normal(size=(PROMPTS, width)) * np.exp(rng.normal(size=width))
    rows += 3 * rng.normal(size=width) + 0.3 * np.where(HIGH, 1, -1)[:, None]
    rows[:, 5] += 100
    return rows


def shrinkage(width: int) -> Figures:
    """Ledoit-Wolf's weight of the identity: ours from G, theirs from the centred prompts."""
    rows = prompts(width)
    gram = rows @ rows.T
    groups = [HIGH.astype(np.float64), (~HIGH).astype(np.float64)]

    def own() -> Floats:
        found = within_class(gram, groups, width)
        assert found is not None
        return np.array([found.shrinkage])

    def other() -> Floats:
        centred = rows.copy()
        for pole in (HIGH, ~HIGH):
            centred[pole] -= centred[pole].mean(axis=0)
        return np.array([ledoit_wolf_shrinkage(centred, assume_centered=True)])

    return compared(own, other)


def chunks(count: int, width: int) -> Iterator[Floats]:
    """Responses as a work file gives them: the same at every call, not all held at once."""
    scale = np.linspace(3, 0.2, width)
    for start in range(0, count, CHUNK):
        rng = np.random.default_rng(start)
        rows = rng.standard_normal((min(CHUNK, count - start), width), dtype=np.float32)
        yield rows.astype(np.float64) * scale


def own_sizes(parts: Callable[[], Iterable[Floats]], count: int, width: int) -> Floats:
    """Variances along the principal components, ours."""
    return response_space(parts, count, width).sizes


def other_sizes(parts: Callable[[], Iterable[Floats]], count: int, width: int) -> Floats:
    """The same by scikit-learn's fastest exact solver for the shape."""
    solver = "covariance_eigh" if count > width else "full"
    pca = PCA(min(count - 1, width, MOST_COMPONENTS), svd_solver=solver)
    pca.fit(np.concatenate(list(parts())))
    sizes: Floats = pca.explained_variance_ * (count - 1) / count
    return sizes


def components(count: int, width: int) -> Figures:
    """Principal components of responses, without the time it takes to read them."""
    held = list(chunks(count, width))
    return compared(
        lambda: own_sizes(lambda: held, count, width),
        lambda: other_sizes(lambda: held, count, width),
        rounds=3,
    )


def rising_memory(way: str) -> float:
    """Bytes by which the components of many responses raise the peak of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.libraries", way], cwd=REPOSITORY,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def scored(count: int, width: int) -> tuple[Floats, Floats]:
    """Coordinates of responses along their components, rows of mean square 1, and scores."""
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, width)) * np.linspace(2, 0.1, width)
    rows /= np.sqrt(np.square(rows).sum(axis=1).mean())
    return rows, rows @ rng.normal(size=width) + rng.normal(size=count)


def logistic(count: int, width: int, solver: str, tolerance: float) -> Figures:
    """Weights at all strengths of the penalty, side by side and each starting from the last."""
    rows, scores = scored(count, width)
    high = scores > np.median(scores)
    shape = (count, len(STRENGTHS))
    highs, used = np.broadcast_to(high[:, None], shape), np.ones(shape, bool)

    def own() -> Floats:
        return logistic_fits(rows, highs, used, np.array(STRENGTHS)).T

    def other() -> Floats:
        model = LogisticRegression(solver=solver, class_weight="balanced", tol=tolerance,
                                   max_iter=1000, warm_start=True)  # fmt: skip
        found = []
        for strength in STRENGTHS:
            model.set_params(C=strength).fit(rows, high)
            found.append(np.append(model.coef_[0], model.intercept_))
        return np.array(found)

    return compared(own, other)


def ridge(count: int, width: int) -> Figures:
    """The nested ridge probe: held-out projections, every penalty's weights by one solver each."""
    rows, scores = scored(count, width)
    cases = np.arange(count)

    def weights(train: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        own = np.repeat(scores[train, None], len(RIDGES), axis=1)
        model = Ridge(alpha=np.array(RIDGES) * train.sum()).fit(rows[train], own)
        return model.coef_, model.intercept_

    def other() -> Floats:
        found = np.zeros(count)
        for number, test in enumerate(grouped_folds(cases, OUTER, SEED)):
            losses = np.zeros(len(RIDGES))
            for part in grouped_folds(cases[~test], INNER, SEED + 1 + number):
                inner, outer = ~test, np.zeros(count, bool)
                outer[np.flatnonzero(~test)[part]] = True
                slopes, levels = weights(inner & ~outer)
                errors = rows[outer] @ slopes.T + levels - scores[outer, None]
                losses += np.square(errors).mean(axis=0)
            best = weights(~test)[0][losses.argmin()]
            found[test] = rows[test] @ (best / np.linalg.norm(best))
        return found

    target = RidgeTarget(None, cases, scores)
    return compared(lambda: ridge_probes(rows, [target], cases)[0].held_out, other, 3)


def folds(count: int) -> Figures:
    """Folds of scenarios with two responses each. Shuffles differ, so sizes are compared."""
    groups = np.arange(count) % (count // 2)

    def other() -> Floats:
        found = np.zeros((OUTER, count), bool)
        split = GroupKFold(OUTER, shuffle=True, random_state=SEED).split(groups, groups=groups)
        for mask, (_, test) in zip(found, split, strict=True):
            mask[test] = True
        sizes: Floats = found.sum(axis=1).astype(np.float64)
        return sizes

    return compared(lambda: np.array(grouped_folds(groups, OUTER, SEED)).sum(axis=1) * 1.0, other)


def order(count: int) -> Figures:
    """Order of prompts by clustering. The gap is in the summed distance of neighbours."""
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, 64)) + 2 * rng.normal(size=(4, 64))[np.arange(count) % 4]
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    apart = np.clip(1 - rows @ rows.T, 0, None)
    np.fill_diagonal(apart, 0)

    def length(leaves: NDArray[np.integer]) -> Floats:
        return np.array([apart[leaves[:-1], leaves[1:]].sum()])

    def own() -> Floats:
        tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
        return length(leaves_list(tree))

    def other() -> Floats:
        model = AgglomerativeClustering(
            n_clusters=None, distance_threshold=0, metric="precomputed", linkage="average"
        ).fit(apart)
        leaves = [[i] for i in range(count)]
        for first, second in model.children_:
            leaves.append(leaves[first] + leaves[second])
        return length(np.array(leaves[-1]))

    return compared(own, other)


def measure() -> dict[str, float]:
    """Print a table and return the figures."""
    found = {
        "shrinkage_576": shrinkage(576),
        "shrinkage_4096": shrinkage(4096),
        "pca_1000x576": components(1000, 576),
        "pca_4000x576": components(4000, 576),
        "pca_600x2048": components(600, 2048),
        "logistic_100_newton": logistic(100, 128, "newton-cholesky", 1e-9),
        "logistic_500_newton": logistic(500, 256, "newton-cholesky", 1e-9),
        "logistic_100_lbfgs": logistic(100, 128, "lbfgs", 1e-8),
        "logistic_500_lbfgs": logistic(500, 256, "lbfgs", 1e-8),
        "ridge_120": ridge(120, 119),
        "ridge_500": ridge(500, 256),
        "folds_1000": folds(1000),
        "order_20": order(20),
        "order_100": order(100),
    }
    memory = rising_memory("own") / rising_memory("other")
    print(f"{'what':22}{'own ms':>10}{'sklearn ms':>12}{'own/sklearn':>13}{'gap':>10}")
    figures = {}
    for name, one in found.items():
        print(f"{name:22}{1e3 * one.own:10.2f}{1e3 * one.other:12.2f}"
              f"{one.own / one.other:13.3f}{one.gap:10.1e}")  # fmt: skip
        figures[name] = round(one.own / one.other, 3)
        figures[f"{name}_gap"] = float(f"{one.gap:.1e}")
    print(f"memory of the components of {TALL[0]} responses: {memory:.2f} of scikit-learn's")
    return figures | {"pca_memory": round(memory, 3)}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        # One way in a process of its own, for its peak memory.
        before = peak_of_this_process()
        way = own_sizes if sys.argv[1] == "own" else other_sizes
        way(lambda: chunks(*TALL), *TALL)
        print(peak_of_this_process() - before)
    else:
        print(json.dumps(measure()))
