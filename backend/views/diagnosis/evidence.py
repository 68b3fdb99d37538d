"""What the diagnosis of one cell looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.cases import Cases
from backend.core.dose import SteeringResult
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.cross_fit import LEAST, cross_fitted_gain, highest
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.reliability import Reliability, ScoreUse, score_use
from backend.core.vectors.methods import MASSIVE_REMOVED, MEAN_DIFFERENCE, METHODS
from backend.settings import StatusThresholds
from backend.store.run_values import PromptFirstTokens, ScoredCases
from backend.views.diagnosis.thresholds import DOMINANCE, FAMILY, GAIN_TESTS, SCORED, STUCK

TOWARDS_ZERO = "r is reliably negative, and with the remedy it is not positive: no gain"


@dataclass(frozen=True)
class Trial:
    """The best of some remedies, and what it does to r.

    Attributes:
        method: the one with the highest r on all cases.
        layer: the layer at which it has it.
        gain: r with the best remedy minus r without, on cases that neither was chosen on; undefined
            where it only takes a reliably negative r towards zero.
        agreement: in which share of the halves the same method (and of other layers, the same
            layer) was chosen, [0, 1]; None where no choice was made on halves.
    """

    method: str
    layer: int
    gain: Estimate
    agreement: float | None


@dataclass(frozen=True, eq=False)
class CellEvidence:
    """One (run, trait, prompt set, layer) with everything its rules need.

    Attributes:
        trait: the trait.
        layer: the layer whose prompts are looked at.
        layer_given: whether the user chose it; else it is the one with the highest r, so that
            whatever is measured by r chooses it again on other cases than it is measured on.
        traits: in how many traits of the run causes are looked for.
        gram: inner products of the prompts, [n, n].
        high: True for the high pole, [n].
        texts: the prompts, in the same order.
        dominance: share of ||v||^2 in its largest coordinate.
        massive_elsewhere: other layers in which that share is beyond what healthy cells have.
        split_half: split-half stability of the vector.
        drifts_by_layer: method -> layer -> projection drift (or level) of every case, [cases];
            fitted methods from held-out scenarios; what has no vector is missing.
        cases: who they are of, their scores, behaviour and lengths.
        score_range: lowest and highest allowed score.
        thresholds: where a cell works.
        first_tokens: first token of each prompt, how many tokens each is pooled from, and how.
        reliability: of the judge, from responses that were scored several times.
        reasons: method -> why it has no r at the layer, where that was stored.
        bootstrap: r of the mean difference at the layer with its bootstrap interval, as stored;
            None where it is not known.
        rank: Spearman's rho of the same, likewise.
        steering: whether the mean difference steers at the layer; None where it was not measured.
    """

    trait: str
    layer: int
    layer_given: bool
    traits: int
    gram: Floats
    high: Bools
    texts: tuple[str, ...]
    dominance: Estimate
    massive_elsewhere: tuple[int, ...]
    split_half: Estimate
    drifts_by_layer: Mapping[str, Mapping[int, Floats]]
    cases: ScoredCases
    score_range: tuple[float, float]
    thresholds: StatusThresholds
    first_tokens: PromptFirstTokens
    reliability: Reliability
    reasons: Mapping[str, str] = field(default_factory=dict)
    bootstrap: Estimate | None = None
    rank: Estimate | None = None
    steering: SteeringResult | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.cases)

    @property
    def groups(self) -> int | None:
        """Number of groups that dependent cases come in; None where they are independent."""
        return self._paired.group_count if self._paired.dependent else None

    @property
    def level(self) -> float:
        """p below which a gain supports a cause: 5% over all causes and traits of the run."""
        return FAMILY / (GAIN_TESTS * max(1, self.traits))

    @property
    def scores(self) -> Floats:
        """All scores of the cases, [cases or 2 cases]."""
        if self.cases.first is None:
            return self.cases.last
        return np.concatenate([self.cases.first, self.cases.last])

    @cached_property
    def score_use(self) -> ScoreUse | None:
        """How the scores use their range; None without scores."""
        return score_use(self.scores, *self.score_range)

    @property
    def stuck(self) -> bool:
        """Whether nearly all scores are next to one value, at an end of the range or not."""
        use = self.score_use
        return use is not None and self.n >= SCORED and use.stuck >= STUCK

    def texts_of(self, *, high: bool) -> tuple[str, ...]:
        """The prompts of one pole."""
        return tuple(t for t, own in zip(self.texts, self.high, strict=True) if own == high)

    @cached_property
    def drifts(self) -> Mapping[str, Floats]:
        """Method -> drift of every case at the layer."""
        return {
            method: by_layer[self.layer]
            for method, by_layer in self.drifts_by_layer.items()
            if self.layer in by_layer
        }

    @property
    def layer_drifts(self) -> Mapping[int, Floats]:
        """Layer -> drift of every case along the mean difference."""
        return self.drifts_by_layer.get(MEAN_DIFFERENCE, {})

    def paired(self, drift: Floats) -> Cases:
        """The cases with a drift (or level), [cases], that should predict their behaviour."""
        return self._paired.with_x(drift)

    @cached_property
    def _paired(self) -> Cases:
        # Who a case is of is worked out once: every rule asks for correlations over them.
        return self.cases.cases(self.cases.behaviour)

    def r(self, method: str) -> Estimate:
        """r of a method at the layer; undefined with a reason where it has no vector."""
        drift = self.drifts.get(method)
        if drift is None:
            return Estimate.undefined(self.n, self._no_vector((method,)))
        return pearson(self.paired(drift))

    def candidates(self, methods: Sequence[str]) -> list[tuple[str, int]]:
        """(method, layer) among which a choice is made: the layer, where the user gave it."""
        return [
            (method, layer)
            for method in methods
            for layer in sorted(self.drifts_by_layer.get(method, {}))
            if layer == self.layer or not self.layer_given
        ]

    def held_out_r(self, methods: Sequence[str]) -> Estimate:
        """r of the best of some methods, on cases on which neither it nor its layer was chosen."""
        candidates = self.candidates(methods)
        if not candidates:
            return Estimate.undefined(self.n, self._no_vector(methods))
        return self._best_r(self._stacked(candidates))

    def _best_r(self, rows: Floats) -> Estimate:
        """r of the best of some drifts, [candidates, n], on cases on which it was not chosen."""
        if len(rows) == 1:
            return pearson(self.paired(rows[0]))
        return held_out_choice(rows, self._paired)

    @cached_property
    def reversed(self) -> bool:
        """Whether r is reliably negative, and of a size that would not fail with the other sign:
        the vector reads the behaviour the other way round."""
        r = self.r(MEAN_DIFFERENCE)
        return (
            r.value is not None
            and r.value <= -self.thresholds.close
            and r.high is not None
            and r.high < 0
        )

    @property
    def rests_on_few(self) -> str:
        """What says that r rests on few cases: an interval that excludes zero by Fisher and not by
        bootstrap, and a rho of at most half its size; empty where they agree."""
        r, boot, rank = self.r(MEAN_DIFFERENCE), self.bootstrap, self.rank
        if boot is None or rank is None or r.value is None or rank.value is None:
            return ""
        if r.low is None or r.high is None or boot.low is None or boot.high is None:
            return ""
        told = r.low <= 0 <= r.high or not boot.low <= 0 <= boot.high
        if told or abs(rank.value) > abs(r.value) / 2:
            return ""
        return (
            f"its bootstrap interval [{boot.low:+.2f}, {boot.high:+.2f}] holds zero, and "
            f"Spearman's rho is {rank.value:+.2f}"
        )

    def _counted(self, gain: Estimate, rows: Floats) -> Estimate:
        """A gain; undefined where it only takes a reliably negative r towards zero, as whatever
        destroys the signal does.

        Args:
            gain: of the best of some remedies.
            rows: drifts with each of them, [candidates, n].
        """
        if not self.reversed or gain.value is None or gain.value <= 0:
            return gain
        after = self._best_r(rows)
        if after.low is not None and after.low > 0:
            return gain
        return Estimate.undefined(gain.n, TOWARDS_ZERO)

    def _no_vector(self, methods: Sequence[str]) -> str:
        """Why none of some methods has a vector: the stored reason of the first that has one."""
        for method in methods:
            if method in self.reasons:
                return self.reasons[method]
        titles = {method.name: method.title for method in METHODS}
        named = " and ".join(titles.get(method, method) for method in methods)
        return f"no vector here by {named or 'any method'}"

    @property
    def massive(self) -> bool:
        """Whether one coordinate dominates the vector more than in healthy cells."""
        return self.dominance.value is not None and self.dominance.value >= DOMINANCE

    @property
    def unmassive(self) -> str:
        """The mean difference, without massive coordinates where one dominates: beside it no
        other cause could be seen."""
        return (
            MASSIVE_REMOVED
            if self.massive and MASSIVE_REMOVED in self.drifts
            else (MEAN_DIFFERENCE)
        )

    def trial(self, methods: Sequence[str], base: str = MEAN_DIFFERENCE) -> Trial:
        """The best of some remedies, and its gain over a base on cases it was not chosen on.

        Where the user gave no layer, each half chooses the layer of the remedy and of the base.

        Args:
            methods: the remedies.
            base: method that they should improve on.
        """
        key = (tuple(methods), base)
        if key not in self._trials:
            candidates, bases = self.candidates(methods), self.candidates([base])
            self._trials[key] = self._tried(methods, candidates, bases)
        return self._trials[key]

    @cached_property
    def _trials(self) -> dict[tuple[tuple[str, ...], str], Trial]:
        return {}

    def _tried(
        self,
        methods: Sequence[str],
        candidates: Sequence[tuple[str, int]],
        bases: Sequence[tuple[str, int]],
    ) -> Trial:
        if not candidates or not bases:
            missing = Estimate.undefined(self.n, "one of the two has no vector here")
            return Trial(methods[0], self.layer, missing, None)
        rows = self._stacked(candidates)
        best = highest(rows, self._paired)
        method, layer = candidates[0 if best is None else best]
        if len(candidates) == len(bases) == 1:
            found = compare_predictors(self.paired(rows[0]), self._drift(*bases[0])).difference
            return Trial(method, layer, self._counted(found, rows), None)
        found_in = cross_fitted_gain(self._paired, rows, self._stacked(bases))
        same = np.array([name == method for name, _ in candidates])
        return Trial(method, layer, self._counted(found_in.gain, rows), found_in.share(same))

    def gain_over(self, changed: Mapping[int, Floats], base: str) -> Estimate:
        """What changed drifts gain over a method's own, each at its best layer; as in a trial.

        Args:
            changed: layer -> drift, [cases].
            base: method.
        """
        layers = [layer for layer in sorted(changed) if layer == self.layer or not self.layer_given]
        bases = self.candidates([base])
        if not layers or not bases:
            return Estimate.undefined(self.n, "one of the two has no vector here")
        rows = np.stack([changed[layer] for layer in layers])
        if len(layers) == len(bases) == 1:
            gain = compare_predictors(self.paired(rows[0]), self._drift(*bases[0])).difference
        else:
            gain = cross_fitted_gain(self._paired, rows, self._stacked(bases)).gain
        return self._counted(gain, rows)

    def other_layer(self) -> Trial:
        """The best of the other layers of the mean difference, and its gain over this layer."""
        others = [(MEAN_DIFFERENCE, layer) for layer in self.layer_drifts if layer != self.layer]
        rows = self._stacked(others)
        best = highest(rows, self._paired) or 0
        found = cross_fitted_gain(self._paired, rows, self.layer_drifts[self.layer][None, :])
        agreement = found.share(np.arange(len(others)) == best)
        gain = self._counted(found.gain, rows)
        return Trial(MEAN_DIFFERENCE, others[best][1], gain, agreement)

    @property
    def choosable(self) -> bool:
        """Whether there are enough independent cases to choose on a half of them."""
        return self._paired.group_count >= LEAST

    def _drift(self, method: str, layer: int) -> Floats:
        return self.drifts_by_layer[method][layer]

    def _stacked(self, chosen: Sequence[tuple[str, int]]) -> Floats:
        return np.stack([self._drift(*one) for one in chosen])


def leaves_open(r: Estimate, thresholds: StatusThresholds) -> bool:
    """Whether r may be that of a failed and of a working cell: by its interval, or without one.

    Args:
        r: of a cell.
        thresholds: where a cell works.
    """
    return (
        r.low is None
        or r.high is None
        or (r.low < thresholds.close and r.high > thresholds.working)
    )


def raises_r(found: Estimate, level: float) -> bool:
    """Whether a gain is above zero with p below a level.

    Args:
        found: a gain.
        level: of its two-sided p.
    """
    return found.value is not None and found.value > 0 and found.p is not None and found.p <= level
