"""Sentences on a study that is not kept yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from backend.studies.faults import shown
from backend.studies.importer import unreadable
from backend.studies.parsed_files import Files
from backend.turns import turn_order
from backend.types import Study, Target, turns_of

# Columns of a file that a sentence names.
_MOST_COLUMNS = 20
# Ranges of turns that a sentence names.
_MOST_RANGES = 4
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
    parts.append(_turns(study))
    return f"{', '.join(parts)}; scores from {low:g} to {high:g}; {_OVER[study.target]}."


def _turns(study: Study) -> str:
    """How many conversations there are and which turns, which a mapping may well get wrong."""
    conversations = turns_of(study.responses)
    if not conversations:
        return "no turns"
    counts: Counter[str] = Counter()
    for found in conversations.values():
        turns = sorted(found, key=turn_order)
        counts[f"turns {turns[0]} to {turns[-1]}" if len(turns) > 1 else f"turn {turns[0]}"] += 1
    said = _count(len(conversations), "conversation")
    if len(counts) == 1:
        return f"{said}, {next(iter(counts))}"
    listed = counts.most_common(_MOST_RANGES)
    others = len(conversations) - sum(count for _, count in listed)
    more = f", {others} with other turns" if others else ""
    return f"{said} ({', '.join(f'{count} with {named}' for named, count in listed)}{more})"


def not_read(files: Files) -> str:
    """Which files hold nothing that can be parsed; empty where there are none.

    Args:
        files: tables, to say what their columns are.
    """
    names = [shown(file.path) for file in unreadable(files)]
    return f"No record can be parsed, and nothing is read, of {', '.join(names)}." if names else ""


def not_used(columns: Mapping[str, Sequence[str]]) -> str:
    """Which columns a mapping makes nothing of; empty where there are none.

    Args:
        columns: file -> its columns that are not used.
    """
    said = []
    for path, names in columns.items():
        more = f" and {len(names) - _MOST_COLUMNS} more" if len(names) > _MOST_COLUMNS else ""
        said.append(f"{path}: {', '.join(map(shown, names[:_MOST_COLUMNS]))}{more}")
    return f"Columns not used. {'; '.join(said)}." if said else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
