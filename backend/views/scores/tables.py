"""Tables of the Scores page."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.views.layers.compute import LayerChoice
from backend.views.scores.compute import ScoreColumn
from backend.views.scores.words import sd_text
from backend.views.shared.numbers import p_text, r_text


def use_rows(columns: Sequence[ScoreColumn]) -> list[dict[str, str]]:
    """How the scores of every trait use their range, as a table.

    Args:
        columns: one row each.
    """
    rows = []
    for c in columns:
        row = {
            "trait": c.trait.replace("_", " "),
            "use of the scale": ", ".join(c.marks) or "uses its range",
            "cases": str(c.cases),
        }
        if c.first is not None:
            first, last = c.ends
            row |= {f"sd at {first}": sd_text(c.first), f"sd at {last}": sd_text(c.last)}
        else:
            row["sd"] = sd_text(c.last)
        if c.drift is not None:
            row["sd of drift"] = sd_text(c.drift)
        step = "–" if c.rounding.step is None else f"{c.rounding.step:g}"
        rows.append(
            row
            | {
                "floor": _percent(c.floor),
                "ceiling": _percent(c.ceiling),
                "in use": str(c.distinct),
                "step": step,
                "rounding": f"{c.rounding.share:.1%}",
            }
        )
    return rows


def reliability_rows(columns: Sequence[ScoreColumn]) -> list[dict[str, str]]:
    """How well the judge agrees with itself on every trait, as a table; empty where no response
    was scored several times.

    Args:
        columns: one row each.
    """
    rows = []
    for c in columns:
        found = c.reliability
        if found.scorings < 2:
            continue
        rows.append(
            {
                "trait": c.trait.replace("_", " "),
                "over": "scores" if c.first is None else "drifts",
                "one scoring, 95%": r_text(found.single, count=False),
                f"mean of {found.scorings}, 95%": r_text(found.mean, count=False),
                "highest possible r, 95%": r_text(found.ceiling, count=False),
                "cases": str(found.used.n),
            }
        )
    return rows


def rank_rows(choices: Sequence[LayerChoice]) -> list[dict[str, str]]:
    """Both correlations of every trait at its best layer as a table.

    Args:
        choices: one row each.
    """
    return [
        {
            "trait": c.trait.replace("_", " "),
            "layer": "–" if c.layer is None else str(c.layer),
            "Pearson r, 95%": r_text(c.correlation, count=False),
            "Spearman rho, 95%": r_text(c.rank, count=False),
            "rho − r": _minus(c.rank, c.correlation),
            "n": str(c.correlation.n),
        }
        for c in choices
    ]


def link_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Correlations as a table.

    Args:
        rows: one each.
    """
    return [
        {
            "correlation": row.name,
            "r, 95% interval": r_text(row.estimate, count=False),
            "p": p_text(row.estimate.p),
            "n": str(row.estimate.n),
        }
        for row in rows
    ]


def _percent(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "undefined"
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _minus(first: Estimate, second: Estimate) -> str:
    if first.value is None or second.value is None:
        return "undefined"
    return f"{first.value - second.value:+.3f}"
