"""The Filter lab's open cell, following the threshold in the browser while the slider moves.

Streamlit tells the server of a slider's value when it is released. Until then a script in the page
takes what it shows from steps that the server computed.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend.core.vectors.lab import Steps
from backend.views.filter_lab.axis import CosineRange
from backend.views.filter_lab.compute import LabView
from backend.views.filter_lab.live import live_steps

_SCRIPT = Path(__file__).with_name("live_threshold.js").read_text("utf-8")
_FOLLOW = st.components.v2.component("lab_live_threshold", js=_SCRIPT)


def follow_threshold(view: LabView, steps: Steps, cosines: CosineRange) -> None:
    """Let marker, r and kept prompts of the open cell follow the slider.

    Args:
        view: the current setting, as the rest of the page shows it.
        steps: the open cell along the whole axis.
        cosines: where the axis begins.
    """
    _FOLLOW(key="lab_live", data=live_steps(view, steps, cosines))
