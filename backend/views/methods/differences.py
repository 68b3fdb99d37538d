"""Whether a method beats the mean difference on one trait."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.cross_fit import cross_fitted_gain
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.significance import Significance, significance
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.runs.imported_vectors import NamedVector
from backend.store.run import Run
from backend.views.methods.comparison import named_on
from backend.views.methods.compute import saved_row_name

# A trait's cases, and each method's drifts (or levels) at its layers, [layers, n].
OfTrait = tuple[Cases, Mapping[str, Floats]]


@dataclass(frozen=True)
class MethodDifference:
    """A method's r minus the baseline's on one trait.

    Attributes:
        difference: with Zou's interval and Williams's p, as both r share the behaviour; where
            there are layers to choose from, each is chosen on one half of the scenarios and the
            two are compared on the other.
        between: r of the two projections; None where undefined, or where layers were chosen.
        adjusted_p: Benjamini-Hochberg p over all methods and traits compared together.
    """

    difference: Estimate
    between: float | None
    adjusted_p: float | None = None

    @property
    def kind(self) -> Significance:
        """Whether the difference is told from zero."""
        return significance(self.difference, self.adjusted_p)


@dataclass(frozen=True)
class MethodDifferences:
    """Every method of a run against the mean difference, trait by trait.

    Attributes:
        methods: (method, trait) -> difference.
        named: the same for saved and imported vectors; their p is adjusted among themselves.
    """

    methods: dict[tuple[str, str], MethodDifference]
    named: dict[tuple[str, str], MethodDifference]

    @property
    def every(self) -> dict[tuple[str, str], MethodDifference]:
        """Of methods and named vectors."""
        return self.methods | self.named

    def tests(self) -> int:
        """How many tests p of a method on a trait is adjusted over."""
        return sum(found.difference.p is not None for found in self.methods.values())

    def count(self, method: str, kind: Significance) -> int:
        """On how many traits a method's difference is of a kind."""
        return sum(
            found.kind == kind for (name, _), found in self.methods.items() if name == method
        )


def differences_on_traits(
    runs: Sequence[Run], saved: Sequence[NamedVector], prompt_set: str, layer: int | None = None
) -> MethodDifferences:
    """Every method of a run, and every named vector, against the mean difference on each trait.

    Args:
        runs: one open run.
        saved: all named vectors; those that cannot be compared are left out.
        prompt_set: which prompts the vectors are built from.
        layer: the layer of all; None where each method has one chosen for each trait.

    Raises:
        ValueError: not one run.
    """
    (run,) = runs
    cases: dict[str, Cases] = {}
    rows: dict[str, dict[str, Floats]] = {}
    for (method, trait, own_set), (by_layer, _) in run.drifts(layer=layer).items():
        if own_set == prompt_set and by_layer:
            own = np.stack([by_layer[at] for at in sorted(by_layer)])
            if trait not in cases:
                cases[trait] = run.scored_cases(trait).cases(own[0])
            rows.setdefault(trait, {})[method] = own
    named: dict[str, dict[str, Floats]] = {}
    built, imported = named_on(run, saved, prompt_set, layer)
    found = [(vector.trait, saved_row_name(vector), [own.x]) for vector, own in built]
    found += [
        (vector.trait, saved_row_name(vector), [own.x for own in on.cases.values()])
        for vector, on in imported
        if on.cases
    ]
    for trait, name, drifts in found:
        base = rows.get(trait, {}).get(MEAN_DIFFERENCE)
        if base is not None:
            own_rows = named.setdefault(trait, {MEAN_DIFFERENCE: base})
            own_rows[name] = np.stack(drifts)
    return MethodDifferences(
        *(
            differences_to(
                MEAN_DIFFERENCE, {trait: (cases[trait], own) for trait, own in group.items()}
            )
            for group in (rows, named)
        )
    )


def differences_to(
    baseline: str, by_trait: Mapping[str, OfTrait]
) -> dict[tuple[str, str], MethodDifference]:
    """Every method against one of them, trait by trait.

    Args:
        baseline: the method that the others are compared with.
        by_trait: trait -> its cases, and method -> drifts of its projections.

    Returns:
        (method, trait) -> difference, for the traits on which the baseline has projections; in
        [-2, 2], undefined with the reason of the first r that is, or with too few groups to choose
        a layer on half of them.
    """
    found: dict[tuple[str, str], MethodDifference] = {}
    for trait, (cases, by_method) in by_trait.items():
        base = by_method.get(baseline)
        if base is None:
            continue
        for method, rows in by_method.items():
            if method == baseline:
                continue
            if len(rows) == len(base) == 1:
                compared = compare_predictors(cases.with_x(rows[0]), base[0])
                own = MethodDifference(compared.difference, compared.between.value)
            else:
                own = MethodDifference(cross_fitted_gain(cases, rows, base).gain, None)
            found[method, trait] = own
    adjusted = benjamini_hochberg([f.difference.p for f in found.values()])
    return {
        key: dataclasses.replace(f, adjusted_p=p)
        for (key, f), p in zip(found.items(), adjusted, strict=True)
    }
