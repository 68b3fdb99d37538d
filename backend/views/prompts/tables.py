"""The prompts and the metrics of a cell as tables."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.core.metrics import registry
from backend.store.run_values import CellResult
from backend.types import POLES, ReadToken
from backend.views.prompts.compute import PromptView

NORM, COSINE, TURN = "norm", "cosine to its pole", "turns the vector by (°)"


def prompt_rows(view: PromptView) -> list[dict[str, object]]:
    """Every prompt with its numbers; an undefined one is None."""
    return [
        {
            "#": row.prompt_id,
            "pole": row.pole,
            "text": row.text,
            NORM: row.norm,
            COSINE: row.to_own_pole.value,
            TURN: row.influence.value,
            "tokens": row.tokens,
        }
        for row in view.rows
    ]


def prompt_text_rows(view: PromptView) -> list[dict[str, object]]:
    """The same, numbers as people read them; an undefined one as its reason."""
    return [
        numbers
        | {
            NORM: f"{row.norm:.4g}",
            COSINE: _text(row.to_own_pole, ".3f"),
            TURN: _text(row.influence, ".1f"),
        }
        for row, numbers in zip(view.rows, prompt_rows(view), strict=True)
    ]


def metric_rows(cell: CellResult) -> list[dict[str, str]]:
    """Every metric of a cell as a table: value and unit, or why it is undefined."""
    rows = []
    for metric in registry.METRICS:
        found = cell.metrics[metric.name]
        rows.append(
            {
                "metric": metric.title,
                "value": "undefined" if found.value is None else f"{found.value:.4g}",
                "unit": metric.unit,
                "good": {"higher": "higher", "lower": "lower", "neither": "–"}[metric.better],
                "definition": metric.formula if found.reason is None else found.reason,
            }
        )
    return rows


def pole_rows(cell: CellResult) -> list[dict[str, str]]:
    """Raw and scale-free spread of both poles side by side."""
    titles = {
        "within_variance": "within-class variance (activation²)",
        "spread": "spread = trace(cov) / ||μ||² (scale-free)",
        "norm_cv": "norm variation std / mean (scale-free)",
        "cosine": "mean cosine (scale-free)",
    }
    rows = []
    for name, title in titles.items():
        row = {"within a pole": title}
        for pole in POLES:
            found = cell.metrics[f"{pole}_{name}"]
            row[pole] = "undefined" if found.value is None else f"{found.value:.4g}"
        rows.append(row)
    return rows


def _text(found: Estimate, form: str) -> str:
    return f"undefined: {found.reason}" if found.value is None else f"{found.value:{form}}"


def token_rows(tokens: Sequence[ReadToken]) -> list[dict[str, object]]:
    """The tokens of a text, in order, white space made visible.

    Args:
        tokens: as the model reads them.
    """
    return [
        {"place": place, "token": repr(token.text), "pooled": token.pooled}
        for place, token in enumerate(tokens)
    ]
