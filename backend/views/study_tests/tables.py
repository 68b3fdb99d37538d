"""Findings as tables."""

from __future__ import annotations

from backend.core.finding import Finding
from backend.views.shared.numbers import estimate_text


def finding_rows(finding: Finding) -> list[dict[str, str]]:
    """The numbers of a finding; with the published figures where any was printed.

    Args:
        finding: one of the study's tests.
    """
    printed = any(row.published for row in finding.rows)
    return [
        {"measured": row.name, "value, 95% interval, p": estimate_text(row.estimate)}
        | ({"published": row.published or ""} if printed else {})
        | {"note": row.note}
        for row in finding.rows
    ]
