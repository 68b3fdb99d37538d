"""The diagnosis of a cell as tables."""

from __future__ import annotations

from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.shared.numbers import estimate_text


def cause_rows(diagnosis: Diagnosis) -> list[dict[str, str]]:
    """Every cause with its verdict, in the diagnosis' order."""
    return [
        {
            "cause": judgement.title,
            "verdict": judgement.verdict,
            "why": judgement.summary,
            "looks alike": judgement.confusions,
        }
        for judgement in diagnosis.judgements
    ]


def evidence_rows(judgement: Judgement) -> list[dict[str, str]]:
    """The numbers behind a judgement as a table, the measured fix last.

    Args:
        judgement: of one cause.
    """
    value = "value, 95% interval, p"
    rows = [
        {"measured": row.name, value: estimate_text(row.estimate), "note": row.note}
        for row in judgement.rows
    ]
    if judgement.fix is not None:
        title = f"change of r with: {judgement.fix.label}"
        rows.append({"measured": title, value: estimate_text(judgement.fix.gain), "note": ""})
    return rows
