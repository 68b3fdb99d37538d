"""The registered sections of a report, one file each, in the order of the pages.

A new section is one file with a ``SECTION`` and one line here.
"""

from __future__ import annotations

from backend.exports.report.blocks import Section
from backend.exports.report.sections import (
    diagnosis,
    layers,
    methods,
    prompts,
    scorecard,
    scores,
    study_tests,
    transfer,
)

SECTIONS: tuple[Section, ...] = (
    scorecard.SECTION,
    diagnosis.SECTION,
    prompts.SECTION,
    layers.SECTION,
    transfer.SECTION,
    methods.SECTION,
    scores.SECTION,
    study_tests.SECTION,
)
