"""The published story in six short steps, told by figures that are computed when they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.core.estimate import Estimate
from backend.core.finding import Finding
from backend.core.vectors.pipeline import Pipeline
from backend.settings import StatusThresholds
from backend.store.run import Run
from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.compute import diagnose_run, fix_pipeline, r_of_fix
from backend.views.diagnosis.diagnose import ORDER
from backend.views.diagnosis.words import gain_sentence

PUBLISHED = {"tests": "published"}
# The failing cell that the tour repairs.
MODEL, TRAIT = "mistral-simulated", "sycophancy_harmful_validation"
MODELS = ("llama3-simulated", "qwen2-simulated", MODEL)
_CELL = {"run": MODEL, "trait": TRAIT, "layer": "best"}


@dataclass(frozen=True)
class Repair:
    """A cell and the fix of its likeliest cause that is a vector of prompts.

    Attributes:
        cause: its title.
        fix: title of the fix.
        pipeline: settings of the Filter lab that are the fix.
        layer: where the fix is used.
        before: r of the mean difference, on all cases.
        after: r with the fix, on all cases.
        gain: of r, on cases on which the fix was not chosen.
    """

    cause: str
    fix: str
    pipeline: Pipeline
    layer: int
    before: Estimate
    after: Estimate
    gain: Estimate


@dataclass(frozen=True)
class TourStep:
    """One step of the tour.

    Attributes:
        title: what it is about, in a few words.
        line: a sentence, Markdown.
        page: page on which it is seen.
        choices: widget key -> choice that is made there.
        demo: whether the page must show the bundled phantom.
        pipeline: settings of the Filter lab; None on other pages.
    """

    title: str
    line: str
    page: str
    choices: Mapping[str, object]
    demo: bool = False
    pipeline: Pipeline | None = None


def repair_of(run: Run, prompt_set: str, trait: str, thresholds: StatusThresholds) -> Repair | None:
    """The likeliest cause of a cell that the Filter lab can fix, and what the fix does.

    Args:
        run: an open run.
        prompt_set: one of its prompt sets.
        trait: one of its traits, at its layer with the highest r.
        thresholds: where r turns from failed to close to working.

    Returns:
        None where no cause has a fix that is a vector of prompts.
    """
    (diagnosis,) = diagnose_run(run, prompt_set, trait, None, thresholds)

    def likelihood(judgement: Judgement) -> tuple[int, float]:
        assert judgement.fix is not None  # of those below
        gain = judgement.fix.gain.value
        return -ORDER[judgement.verdict], -2.0 if gain is None else gain

    found = [j for j in diagnosis.judgements if j.fix and fix_pipeline(j.fix) is not None]
    if not found:
        return None
    best = max(found, key=likelihood)
    fix = best.fix
    assert fix is not None
    pipeline = fix_pipeline(fix)
    assert pipeline is not None
    after = r_of_fix(run, prompt_set, trait, diagnosis.layer, fix)
    layer = diagnosis.layer if fix.layer is None else fix.layer
    return Repair(best.title, fix.title, pipeline, layer, diagnosis.r, after, fix.gain)


def tour_steps(findings: Sequence[Finding], repair: Repair | None) -> tuple[TourStep, ...]:
    """The steps, in order; the last shows the repair applied.

    Args:
        findings: what was published, as the study's tests find it.
        repair: of the tour's cell; None while its run is not in the store.
    """
    said = {finding.name: finding.answer for finding in findings}
    why = "Every known cause is tested on this cell, and every fix is measured."
    before = "The vector without a fix: its r stands above the grid."
    after = f"The fix is that of a cell of {MODEL}, so there is none to show yet."
    if repair is not None:
        why = f"Cause: **{repair.cause[0].lower()}{repair.cause[1:]}**. {why}"
        before = f"The vector has r = {_r(repair.before)} here. Press Next to apply the fix."
        after = (
            f"Fix applied: **r {_r(repair.before)} → {_r(repair.after)}** ({repair.fix}) on all "
            "scenarios. With fix and layers chosen on one half and both r taken on the other, the "
            f"gain is {gain_sentence(repair.gain)}."
        )
    return (
        TourStep(
            "One recipe, three models",
            f"{said['scorecard']} This grid is simulated to have the published numbers.",
            "pages/scorecard.py",
            {"layer": "best"},
            demo=True,
        ),
        TourStep(
            "A tempting explanation",
            f"Do prompts that agree make vectors that work? {said['prompt_cosine']}",
            "pages/study_tests.py",
            PUBLISHED,
        ),
        TourStep(
            "Units mislead",
            # One line: the intervals stand in the study's test.
            f"{said['units'].partition(';')[0]}.",
            "pages/prompts.py",
            {
                "run": "qwen2-simulated",
                "trait": "abandonment_therapeutic_frame",
                "layer": "best",
                "prompts_view": "metrics",
            },
            demo=True,
        ),
        TourStep("Why one cell fails", why, "pages/diagnosis.py", _CELL, demo=True),
        TourStep(
            "Before the fix",
            before,
            "pages/filter_lab.py",
            _CELL,
            demo=True,
            pipeline=Pipeline(),
        ),
        TourStep(
            "After the fix",
            after,
            "pages/filter_lab.py",
            _CELL,
            demo=True,
            pipeline=Pipeline() if repair is None else repair.pipeline,
        ),
    )


def _r(found: Estimate) -> str:
    return "undefined" if found.value is None else f"{found.value:+.2f}"
