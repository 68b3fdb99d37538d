"""What is said about the study's tests."""

from __future__ import annotations

TESTS = (
    "The study's ten tests, each with its numbers, a verdict and what the numbers cannot say. "
    "Ruled out needs an interval that excludes an effect that would matter."
)
CHART = "Each number of the table above, with its 95% interval where it has one."
