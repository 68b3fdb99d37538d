"""What is no number is refused at the boundary of every statistic, and never becomes a number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.core.arrays import refuse_not_finite
from backend.core.cases import Cases
from backend.core.metrics.registry import measure_cell
from backend.core.prompt_cells import PromptCells
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import pearson, pearson_from_sums, spearman
from backend.core.statistics.dependent import compare_dependent, compare_predictors
from backend.core.statistics.describe import standard_deviation
from backend.core.statistics.groups import compare_groups
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import paired_difference
from backend.core.statistics.partial import partial_correlation
from backend.core.statistics.permutation import best_layer
from backend.core.statistics.reliability import (
    agreement_ceiling,
    count_poles,
    rounding_of,
    score_use,
)

RNG = np.random.default_rng(8)
X, Y, Z = RNG.normal(size=(3, 20))
CASES = Cases.independent(X, Y)
POLES = np.array([True, True, False, False])
# Each takes 20 numbers, one of which is none, or that one.
STATISTICS = {
    "pearson of x": lambda v: pearson(Cases.independent(v, Y)),
    "pearson of y": lambda v: pearson(Cases.independent(X, v)),
    "another x": lambda v: pearson(CASES.with_x(v)),
    "spearman": lambda v: spearman(Cases.independent(X, v)),
    "bootstrap": lambda v: bootstrap_r(Cases.independent(v, Y)),
    "sums": lambda v: pearson_from_sums(float(v[3]), 1.0, 1.0, 20),
    "square": lambda v: pearson_from_sums(0.5, 1.0, float(v[3]), 20),
    "predictors": lambda v: compare_predictors(CASES, v),
    "dependent": lambda v: compare_dependent(0.3, float(v[3]), 0.1, 20),
    "sd": standard_deviation,
    "groups": lambda v: compare_groups(v, Y),
    "paired": lambda v: paired_difference(X, v),
    "partial": lambda v: partial_correlation(CASES, v[:, None]),
    "ceiling": lambda v: agreement_ceiling(float(v[3])),
    "use of scores": lambda v: score_use(v, -5, 5),
    "rounding": rounding_of,
    "counts": lambda v: count_poles(v, 1, -1),
    "false discovery rate": lambda v: benjamini_hochberg([0.1, abs(float(v[3]))]),
    "metrics": lambda v: measure_cell(PromptCells.from_activations(np.stack([v, X, Y, Z]), POLES)),
}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_statistic_of_what_is_no_number_is_refused(name, bad):
    values = X.copy()
    STATISTICS[name](values * 0.01)
    values[3] = bad
    with pytest.raises(ValueError, match=r"not finite|between 0 and 1"):
        STATISTICS[name](values)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_layer_that_holds_no_number_is_never_the_best(bad):
    layers = np.stack([Y, X])
    layers[0, 3] = bad
    with np.errstate(invalid="ignore"):
        found = best_layer(layers, CASES, permutations=99)
    assert found.index == 1 and found.r == pytest.approx(pearson(CASES).value)


def test_the_refusal_names_what_and_how_many():
    refuse_not_finite(x=np.array([1.0, 2.0]), y=3.0)
    with pytest.raises(ValueError, match="scores holds 2 values that are not finite"):
        refuse_not_finite(scores=np.array([1.0, math.nan, math.inf]))
