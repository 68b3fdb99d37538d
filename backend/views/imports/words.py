"""Sentences on a study that is not kept yet."""

from __future__ import annotations

from backend.types import Study, Target

_OVER: dict[Target, str] = {
    "drift": "r over drifts: the last turn minus the first",
    "level": "r over the responses' levels",
    "none": "no r, as no response is scored",
}


def understood(study: Study) -> str:
    """How much there is of a study, and what r will be taken over.

    Args:
        study: as it would be kept.
    """
    parts = [_count(len(study.traits), "trait"), _count(len(study.prompts), "prompt")]
    sets = len({prompt.prompt_set for prompt in study.prompts})
    if sets > 1:
        parts[-1] += f" in {sets} sets"
    if not study.responses:
        return f"{', '.join(parts)}, no responses; {_OVER[study.target]}."
    groups = len({response.dependence for response in study.responses})
    responders = len({response.responder for response in study.responses})
    low, high = study.score_range
    parts.append(
        f"{_count(len(study.responses), 'response')} by {_count(responders, 'responder')} in "
        f"{_count(groups, 'independent group')}"
    )
    return f"{', '.join(parts)}; scores from {low:g} to {high:g}; {_OVER[study.target]}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
