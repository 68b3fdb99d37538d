"""Tables of a dose-response."""

from __future__ import annotations

from backend.views.dose.compute import DoseResult, MeasureResult
from backend.views.dose.words import band_text
from backend.views.shared.numbers import estimate_text


def change_rows(found: MeasureResult) -> list[dict[str, str]]:
    """A row a strength. Args: one measure."""
    return [
        {
            "strength": f"{one.strength:+g}",
            "change": estimate_text(one.change),
            "n": str(one.change.n),
            "one more random direction": band_text(one.band),
        }
        for one in found.changes
    ]


def measure_rows(result: DoseResult) -> list[dict[str, str]]:
    """A row a measure. Args: the dose-response."""
    return [
        {
            "measure": one.measure.title,
            "slope per unit of strength": estimate_text(one.steerability.slope),
            "one more random direction": band_text(one.steerability.band),
            "moves the wrong way": estimate_text(one.steerability.wrong_way)
            if one.measure.limit is None
            else "–",
            "items": str(one.steerability.slope.n),
        }
        for one in result.measures
    ]


def answer_rows(result: DoseResult) -> list[dict[str, str]]:
    """A row a question, with its answer at each strength. Args: the dose-response."""
    record = result.record
    return [
        {"question": item.text}
        | {
            f"{strength:+g}" if strength else "unsteered": text
            for strength, text in zip(record.strengths, answers, strict=True)
        }
        for item, answers in zip(record.items, record.answers, strict=True)
    ]
