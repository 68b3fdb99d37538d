"""Charts of a comparison of two runs."""

from __future__ import annotations

import plotly.graph_objects as go

from backend.views.runs.comparison import Comparison
from backend.views.runs.words import CHANGES, change_in_words
from backend.views.shared.differences import difference_forest
from backend.views.shared.style import wrapped


def r_changes(found: Comparison) -> go.Figure:
    """r of B minus r of A with Zou's 95% interval, one row per trait that changed.

    Args:
        found: the comparison.
    """
    changed = [trait for trait in found.traits if not trait.unchanged]
    names = [trait.trait.replace("_", " ") for trait in changed]
    return difference_forest(
        names,
        [(trait.difference, trait.adjusted_p) for trait in changed],
        [
            f"<b>{name}</b><br>{wrapped(change_in_words(trait))}"
            for name, trait in zip(names, changed, strict=True)
        ],
        CHANGES,
        title="r of B − r of A (95% interval, Zou)",
    )
