"""The registered sections of a report, one file each, in the order of the pages.

A new section is one file with a ``SECTION`` and one line here.
"""

from __future__ import annotations

from backend.views.diagnosis import report as diagnosis
from backend.views.layers import report as layers
from backend.views.map import report as map_section
from backend.views.methods import report as methods
from backend.views.notes import report as notes
from backend.views.prompts import report as prompts
from backend.views.scorecard import report as scorecard
from backend.views.scores import report as scores
from backend.views.shared.blocks import Section
from backend.views.study_tests import report as study_tests
from backend.views.trajectories import report as trajectories
from backend.views.transfer import report as transfer

SECTIONS: list[Section] = [
    scorecard.SECTION,
    diagnosis.SECTION,
    prompts.SECTION,
    map_section.SECTION,
    layers.SECTION,
    transfer.SECTION,
    methods.SECTION,
    scores.SECTION,
    trajectories.SECTION,
    study_tests.SECTION,
    notes.SECTION,
]
