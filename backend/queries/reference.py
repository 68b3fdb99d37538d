"""The published reference, for pages."""

from __future__ import annotations

from backend.analyses.finding import Finding
from backend.analyses.reference import reference_findings
from backend.settings import Settings
from backend.studies.reference import TITLE, load_reference

__all__ = ["TITLE", "Finding", "published_findings"]


def published_findings(settings: Settings) -> tuple[Finding, ...]:
    """The study's ten tests recomputed from its printed tables, beside what it printed."""
    return reference_findings(load_reference(), settings.thresholds)
