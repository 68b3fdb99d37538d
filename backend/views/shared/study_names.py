"""Names of studies on screen."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.study import StudySummary

_LEAST = 4


def study_names(studies: Sequence[StudySummary]) -> dict[str, str]:
    """Key -> title; of studies with the same title, such as revisions, the beginning of what their
    hash or name does not share comes first, where a narrow list cuts nothing off.

    Args:
        studies: all that stand beside each other.
    """
    names: dict[str, str] = {}
    for study in studies:
        alike = [other for other in studies if other.title == study.title]
        named = len({other.name for other in alike}) > 1
        hashes = [other.key.rpartition("@")[2] for other in alike if other.name == study.name]
        parts = [study.title]
        if len(hashes) > 1:
            own = study.key.rpartition("@")[2]
            shown = _LEAST
            while len({found[:shown] for found in hashes}) < len(hashes) and shown < len(own):
                shown += 1
            parts.insert(0, f"revision {own[:shown]}")
        if named:
            parts.insert(0, study.name)
        names[study.key] = " · ".join(parts)
    return names
