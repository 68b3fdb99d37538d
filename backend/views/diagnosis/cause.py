"""What a rule is, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.finding import Row, Verdict
from backend.types import Pooling
from backend.views.diagnosis.evidence import CellEvidence, raises_r


@dataclass(frozen=True)
class Fix:
    """A remedy, and its effect on r measured on the same cases.

    Attributes:
        title: what to do.
        method: key of a registered vector method; None where the fix is not a method.
        layer: layer to use; None to keep it.
        gain: r with the fix minus r without, on cases that neither the fix nor a layer was chosen
            on, held-out where anything was fitted; undefined with its reason for a fix that this
            run cannot try.
        pooling: pooling to extract again with; None where the run itself will do.
        best_of: among how many remedies it was chosen: the gain is that of choosing so.
    """

    title: str
    method: str | None
    layer: int | None
    gain: Estimate
    pooling: Pooling | None = None
    best_of: int = 1

    @property
    def label(self) -> str:
        """What to do, and that the gain beside it is that of a choice where it is."""
        return self.title if self.best_of == 1 else f"{self.title} (best of {self.best_of})"


@dataclass(frozen=True)
class Judgement:
    """One cause, judged.

    Attributes:
        cause: key.
        title: name on screen.
        verdict: supported, ruled out or undetermined.
        weight: by how much the marker exceeds what healthy cells show, 1 at the threshold; orders
            causes of one verdict.
        summary: the judgement in a sentence.
        rows: the numbers behind it.
        fix: a remedy; None where there is none to be had from these data.
        confusions: what looks alike.
        explained: whether a cause that is judged more directly would leave the same marker.
        remedy: what to do where there is no fix to be tried; empty if nothing is known.
    """

    cause: str
    title: str
    verdict: Verdict
    weight: float
    summary: str
    rows: tuple[Row, ...]
    fix: Fix | None
    confusions: str
    explained: bool = False
    remedy: str = ""

    @property
    def marked(self) -> bool:
        """Whether the marker is beyond what healthy cells show, whatever the verdict."""
        return self.weight >= 1


@dataclass(frozen=True)
class Subject:
    """A cause whose judgements differ in all but these.

    Attributes:
        cause: key.
        title: name on screen.
        confusions: what looks alike.
        remedy: what to do where there is no fix to be tried; empty if nothing is known.
    """

    cause: str
    title: str
    confusions: str
    remedy: str = ""

    def judged(
        self,
        verdict: Verdict,
        weight: float,
        summary: str,
        rows: tuple[Row, ...] = (),
        fix: Fix | None = None,
    ) -> Judgement:
        """A judgement of it; see :class:`Judgement`."""
        return Judgement(
            self.cause,
            self.title,
            verdict,
            weight,
            summary,
            rows,
            fix,
            self.confusions,
            remedy=self.remedy,
        )


Earlier = Mapping[str, Judgement]


@dataclass(frozen=True)
class Rule:
    """A registered cause.

    Attributes:
        cause: key.
        title: name on screen.
        judge: evidence and the judgements of the causes in ``after``, by cause -> judgement.
        after: causes that are judged before this one, because it reads their judgements.
        measured: whether what it judges was measured; a cause that needs a measurement of its own
            is no cause that is left open before that was made.
        by_gain: whether it is supported only where mending it is seen to raise r: one of the
            ``GAIN_TESTS`` for which that is corrected.
    """

    cause: str
    title: str
    judge: Callable[[CellEvidence, Earlier], Judgement]
    after: tuple[str, ...] = ()
    measured: Callable[[CellEvidence], bool] = lambda _: True
    by_gain: bool = False


def verdict_by_gain(weight: float, gain: Estimate, level: float) -> Verdict:
    """Supported if the marker exceeds its threshold and mending it is seen to raise r; ruled out
    if the marker stays below; undetermined between the two.

    Args:
        weight: of the marker, 1 at its threshold.
        gain: of r by the remedy.
        level: p below which a gain counts (``CellEvidence.level``).
    """
    if weight < 1:
        return "ruled out"
    return "supported" if raises_r(gain, level) else "undetermined"
