"""The prompts and the metrics of a cell as tables."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.core.metrics import registry
from backend.store.run_values import CellResult
from backend.types import POLES, ReadToken
from backend.views.prompts.basket import Basket
from backend.views.prompts.compute import PromptResult, PromptView

NORM, COSINE, TURN = "norm", "cosine to its pole", "turns the vector by (°)"
WITHOUT, STATE = "r without it", "change"


def found_rows(view: PromptView, wanted: str) -> tuple[PromptResult, ...]:
    """The prompts whose text, pole or number holds every word of a search, in any case.

    Args:
        view: the prompts of one cell.
        wanted: words; ``#7`` is the prompt of that number, ``high`` and ``low`` a pole.
    """
    words = wanted.lower().split()
    return tuple(
        row
        for row in view.rows
        if all(
            word in (f"#{row.prompt_id}", row.pole) or word in row.text.lower() for word in words
        )
    )


def prompt_rows(
    rows: Sequence[PromptResult], basket: Basket | None = None
) -> list[dict[str, object]]:
    """Prompts with their numbers; an undefined one is None.

    Args:
        rows: the prompts.
        basket: adds which are dropped or edited.
    """
    return [
        {"#": row.prompt_id, "pole": row.pole}
        | ({STATE: state_of(row.prompt_id, basket)} if basket else {})
        | {
            WITHOUT: row.without.value,
            "text": basket.texts.get(row.prompt_id, row.text) if basket else row.text,
            COSINE: row.to_own_pole.value,
            TURN: row.influence.value,
            NORM: row.norm,
            "tokens": row.tokens or None,
        }
        for row in rows
    ]


def state_of(number: int, basket: Basket) -> str:
    """What becomes of a prompt: dropped, edited, or nothing.

    Args:
        number: of the prompt.
        basket: the changes.
    """
    return "dropped" if number in basket.dropped else "edited" if number in basket.texts else ""


def neighbour_rows(view: PromptView, number: int) -> list[dict[str, object]]:
    """The prompts most like one: cosine, number, pole and text.

    Args:
        view: the prompts of one cell.
        number: one of them.
    """
    return [
        {"cosine": near.cosine, "#": near.row.prompt_id, "pole": near.row.pole}
        | {"text": near.row.text}
        for near in view.neighbours(number)
    ]


def prompt_text_rows(view: PromptView) -> list[dict[str, object]]:
    """The same, numbers as people read them; an undefined one as its reason."""
    return [
        numbers
        | {
            NORM: f"{row.norm:.4g}",
            COSINE: _text(row.to_own_pole, ".3f"),
            TURN: _text(row.influence, ".1f"),
            WITHOUT: _text(row.without, "+.3f"),
        }
        for row, numbers in zip(view.rows, prompt_rows(view.rows), strict=True)
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
