"""The published story in six steps, told by figures that are computed when they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.core.finding import Finding

PUBLISHED = {"tests": "published"}


@dataclass(frozen=True)
class Step:
    """One step of the tour.

    Attributes:
        title: what it is about.
        lines: sentences, Markdown.
        page: page on which it is seen.
        choices: widget key -> choice that is made there.
        demo: whether the page must show the bundled phantom.
    """

    title: str
    lines: tuple[str, ...]
    page: str
    choices: Mapping[str, object]
    demo: bool = False


def tour_steps(findings: Sequence[Finding]) -> tuple[Step, ...]:
    """The steps, in order.

    Args:
        findings: what was published, as the study's tests find it.
    """
    by_name = {finding.name: finding for finding in findings}

    def said(*names: str) -> tuple[str, ...]:
        return tuple(
            f"{by_name[name].question} **{by_name[name].verdict}**: {by_name[name].answer}"
            for name in names
        )

    return (
        Step(
            "What failed",
            (
                *said("scorecard"),
                "The published study used one recipe for three models. The grid below is simulated "
                "to have exactly its numbers, cell by cell, each with a planted cause.",
            ),
            "pages/scorecard.py",
            {},
            demo=True,
        ),
        Step(
            "What was said to be ruled out, and how surely",
            (
                *said("layers", "compression", "ranks", "prompt_sets"),
                "Ruled out needs an interval that excludes an effect that would matter; without "
                "one a test is undetermined.",
            ),
            "pages/study_tests.py",
            PUBLISHED,
        ),
        Step(
            "Where the evidence is",
            said("transfer", "prompt_cosine"),
            "pages/study_tests.py",
            PUBLISHED,
        ),
        Step(
            "What units change",
            (
                *said("units"),
                "Look at the within-class variance of this cell, raw and scale-free, then choose "
                "the llama3 run in the sidebar: the variance is some forty times smaller, the "
                "spread is not.",
            ),
            "pages/prompts.py",
            {"run": "qwen2-simulated", "trait": "abandonment_therapeutic_frame", "layer": "best"},
            demo=True,
        ),
        Step(
            "Why one cell fails",
            (
                "Every registered cause is judged on the same evidence, and each fix is measured. "
                "Here a prompt of either pole points elsewhere, as planted.",
            ),
            "pages/diagnosis.py",
            {"run": "mistral-simulated", "trait": "sycophancy_harmful_validation", "layer": "best"},
            demo=True,
        ),
        Step(
            "What fixes it",
            (
                "Move the threshold: prompts that point elsewhere are dropped, the vector turns, "
                "and r of the whole scorecard follows. A threshold chosen because r looks good is "
                "flattered; the held-out figure says by how much.",
            ),
            "pages/filter_lab.py",
            {"run": "mistral-simulated", "trait": "sycophancy_harmful_validation", "layer": "best"},
            demo=True,
        ),
    )
