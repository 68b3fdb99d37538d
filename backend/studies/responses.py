"""Rows of responses.* as responses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from backend.studies.conversation import read_messages
from backend.studies.csv_table import SCORE_PREFIX
from backend.studies.faults import FaultList, nearest, shown
from backend.studies.names import name_of, optional_name
from backend.studies.rows import Record
from backend.studies.scores import RANGE_AT, is_missing, read_scores, refuse_unsure_points
from backend.studies.tables import check_columns, text_of
from backend.turns import FIRST, LAST, MOST, ends_of, turn_of, turn_order
from backend.types import Response, Turn, turns_of

# A second score of the same response, by the same judge or another: score:warmth#2.
_REPEAT = re.compile(r"(?P<trait>.+)#[0-9]{1,3}")
# The question and which sample of it: q7#3, q7-3, q7 (3), q7_sample3, q7 rep 3, q7c.
_SAMPLE = re.compile(
    r"(?P<question>.+?)[-#_/:. ]{0,2}(?:"
    r"(?<=[-#_/:. ])(?:s|samples?|rep|repeat|run|try|seed|copy|draw)?[-#_/:. ]?[0-9]+"
    r"|\([0-9]+\)|(?<=[0-9])[a-z])",
    re.IGNORECASE,
)
# What other tables write before or after a trait whose scores a column holds, or alone.
_AFFIX = re.compile(r"^scores?(?:[ _.:-]+|$)|[ _.:-]+scores?$")
# Fewer scores may take up a part of their range by chance.
_ENOUGH_SCORES = 20
# Traits without prompts that one message lists.
_MOST_UNKNOWN = 10


def read_responses(
    name: str,
    rows: Sequence[Record],
    traits: Collection[str] | None,
    score_range: tuple[float, float],
    faults: FaultList,
    *,
    unscored: bool = False,
    range_at: str = RANGE_AT,
    complete: bool = True,
) -> list[Response]:
    """The responses of a file.

    Args:
        name: file name; jsonl holds scores in an object, csv and parquet in score: columns.
        rows: its records.
        traits: traits that have prompts, only these can be scored; None where the prompts could
            not be read, so that nothing is known.
        score_range: lowest and highest allowed score.
        faults: told of everything wrong.
        unscored: whether it is fine that no response has a score.
        range_at: where the range is set, for people.
        complete: whether every record of the file is in the rows. Only then, and where nothing of
            them is a fault, can the file as a whole lack scores.
    """
    before = faults.count
    in_object = name.endswith(".jsonl")
    optional = ("turn", "responder", "group", "messages", *(("scores",) if in_object else ()))
    prefix = "" if in_object else SCORE_PREFIX
    good = check_columns(
        name,
        rows,
        ("scenario", "text"),
        optional,
        faults,
        prefix,
        lambda column: _score_meant(column, traits or (), in_object),
    )
    responses: list[Response] = []
    first_at: dict[tuple[str, str, Turn | None], int] = {}
    unknown: dict[str, int] = {}
    any_score = False
    raws = [_raw_scores(name, row, in_object, faults) for row in good]
    numbered = [(row.line, raw) for row, raw in zip(good, raws, strict=True)]
    unsure = refuse_unsure_points(name, numbered, score_range, faults)
    for row, raw in zip(good, raws, strict=True):
        for trait in {_trait_of(key, traits): None for key in raw}:
            if traits is not None and trait not in traits:
                unknown.setdefault(trait, row.line)
        known = {
            key: value
            for key, value in raw.items()
            if (traits is None or _trait_of(key, traits) in traits)
            and (row.line, key) not in unsure
        }
        any_score = any_score or not all(map(is_missing, raw.values()))
        scores = read_scores(name, row.line, known, score_range, faults, range_at)
        response = _response(name, row, _by_trait(scores, traits), faults)
        if response is None:
            continue
        key = (response.scenario, response.responder, response.turn)
        if key in first_at:
            faults.add(
                name,
                row.line,
                "{} already.",
                "Give each response its own scenario, turn or responder.",
                f"Scenario {key[0]!r}, turn {key[2] or 'none'}, responder {key[1]!r} stands on "
                f"line {first_at[key]}",
            )
            continue
        first_at[key] = row.line
        responses.append(response)
    _add_unknown(name, unknown, traits or (), faults)
    _check_turns(name, first_at, faults)
    _note_late_starts(name, responses, faults)
    _note_samples(name, responses, faults)
    complete = complete and faults.count == before
    _check_groups(name, responses, first_at, faults)
    if responses and complete and not any_score and not unscored:
        faults.add(
            name,
            None,
            "No response has a score.",
            "Add scores, have them judged (python -m backend judge FOLDER), or leave the file out "
            "for a study of geometry only.",
        )
    return responses


def _score_meant(column: str, traits: Collection[str], in_object: bool) -> str | None:
    """How the scores in a column of another name are written; None where it holds none."""
    plain = column.strip().casefold()
    bare = _AFFIX.sub("", plain)
    found = [trait for trait in traits if trait.casefold() in (plain, bare)]
    if not found and (bare or not traits):
        return None
    if in_object:
        return f'"scores": {{"{found[0] if found else min(traits)}": number}}'
    trait = found[0] if found else min(traits) if len(traits) == 1 else "<trait>"
    return repr(f"{SCORE_PREFIX}{trait}")


def _trait_of(key: str, traits: Collection[str] | None) -> str:
    """The trait of a column of scores: ``warmth`` of warmth and of warmth#2."""
    found = _REPEAT.fullmatch(key)
    return key if found is None or key in (traits or ()) else found["trait"]


def _by_trait(
    scores: Mapping[str, float], traits: Collection[str] | None
) -> dict[str, list[float]]:
    """Trait -> its scores, in the order of the columns."""
    found: dict[str, list[float]] = {}
    for key, score in scores.items():
        found.setdefault(_trait_of(key, traits), []).append(score)
    return found


def _add_unknown(
    name: str, unknown: Mapping[str, int], traits: Iterable[str], faults: FaultList
) -> None:
    """One fault for all scored traits without prompts. Args: trait -> line it is first met on."""
    if not unknown:
        return
    first = next(iter(unknown))
    hint = nearest(first, traits)
    if len(unknown) == 1:
        what = f"Scored trait {shown(first)} has no prompts."
    else:
        listed = ", ".join(map(shown, list(unknown)[:_MOST_UNKNOWN]))
        more = f" and {len(unknown) - _MOST_UNKNOWN} more" if len(unknown) > _MOST_UNKNOWN else ""
        what = f"{len(unknown)} scored traits have no prompts: {listed}{more}."
    faults.add(name, unknown[first], what, hint)


def _response(
    name: str, row: Record, scores: Mapping[str, Sequence[float]], faults: FaultList
) -> Response | None:
    scenario = name_of(name, row, "scenario", faults)
    text = text_of(name, row, "text", faults)
    written = row.values.get("turn")
    turn = turn_of(written)
    if written is not None and turn is None:
        faults.add(
            name,
            row.line,
            "Unknown turn {}.",
            f"Count from 1 to {MOST} (3 or t3), write {FIRST} and {LAST}, or leave turns out.",
            shown(written),
        )
        return None
    responder = optional_name(name, row, "responder", "unknown", faults)
    group = optional_name(name, row, "group", "", faults)
    messages = read_messages(name, row.line, row.values.get("messages"), faults)
    if scenario is None or text is None or responder is None or group is None or messages is None:
        return None
    return Response(
        scenario=scenario,
        text=text,
        turn=turn,
        responder=responder,
        messages=messages,
        scores={trait: sum(values) / len(values) for trait, values in scores.items()},
        repeats={trait: tuple(values) for trait, values in scores.items() if len(values) > 1},
        group=group or None,
    )


def _raw_scores(name: str, row: Record, in_object: bool, faults: FaultList) -> dict[str, Any]:
    if not in_object:
        return {
            column.removeprefix(SCORE_PREFIX): value
            for column, value in row.values.items()
            if column.startswith(SCORE_PREFIX)
        }
    scores = row.values.get("scores")
    if scores is None:
        return {}
    if not isinstance(scores, dict):
        faults.add(name, row.line, "scores is no object.", 'Write {"trait": number}.')
        return {}
    return scores


def _note_samples(name: str, responses: Sequence[Response], faults: FaultList) -> None:
    """Scenarios that look like samples of a few questions, in a study that says no groups."""
    if any(response.group is not None for response in responses):
        return
    samples: dict[str, set[str]] = {}
    for response in responses:
        found = _SAMPLE.fullmatch(response.scenario)
        if found is None:
            return
        samples.setdefault(found["question"], set()).add(response.scenario)
    count = sum(map(len, samples.values()))
    if len(samples) < 2 or count < 2 * len(samples):
        return
    first = next(iter(samples))
    faults.note(
        name,
        None,
        f"The {count} scenarios look like samples of {len(samples)} questions: "
        f"{shown(first)} has {len(samples[first])}.",
        "If they are, give the question as group: else every interval is too narrow.",
    )


def note_part_of_range(
    name: str, responses: Sequence[Response], score_range: tuple[float, float], faults: FaultList
) -> None:
    """Note scores that take up half of the range at most, where nobody has said what that is.

    Args:
        name: file name.
        responses: of the file.
        score_range: the range that is assumed.
        faults: told of it.
    """
    scores = [score for response in responses for score in response.scores.values()]
    if len(scores) < _ENOUGH_SCORES:
        return
    low, high = min(scores), max(scores)
    lowest, highest = score_range
    if high - low <= (highest - lowest) / 2:
        faults.note(
            name,
            None,
            f"All {len(scores)} scores lie between {low:g} and {high:g}; without score_range in "
            f"study.json they are taken to be from {lowest:g} to {highest:g}.",
            'If that is wrong, write "score_range": [lowest, highest], as scores were allowed: '
            "floors and thresholds follow from it.",
        )


def _check_groups(
    name: str,
    responses: Sequence[Response],
    first_at: Mapping[tuple[str, str, Turn | None], int],
    faults: FaultList,
) -> None:
    """The turns of a conversation depend on each other; and responses without a group, where others
    have one, may have been forgotten."""
    first: dict[tuple[str, str], str] = {}
    for response in responses:
        place = (response.scenario, response.responder)
        group = first.setdefault(place, response.dependence)
        if response.dependence != group:
            faults.add(
                name,
                first_at[*place, response.turn],
                "A turn is of another group than others of its conversation: {}.",
                "Give all turns of a conversation one group: its drift can be in one only.",
                f"{response.dependence!r} and {group!r} in scenario {response.scenario!r}",
            )
    without = [response for response in responses if response.group is None]
    if without and len(without) < len(responses):
        faults.note(
            name,
            None,
            f"{len(without)} of {len(responses)} responses have no group, and the others have: "
            f"{shown(without[0].scenario)} has none.",
            "Each scenario without one is a group of its own. If they depend on others, give them "
            "one too.",
        )


def _check_turns(
    name: str, first_at: Mapping[tuple[str, str, Turn | None], int], faults: FaultList
) -> None:
    """A study has turns everywhere or nowhere: drifts and levels cannot be mixed in one r."""
    without = [line for (_, _, turn), line in first_at.items() if turn is None]
    if without and len(without) < len(first_at):
        faults.add(
            name,
            without[0],
            f"{len(without)} of {len(first_at)} responses have no turn, and the others have.",
            "Give every response a turn, or none.",
        )
    # Where tN would come among numbers is not known.
    numbered = [turn for _, _, turn in first_at if turn not in (None, FIRST, LAST)]
    last = [line for (_, _, turn), line in first_at.items() if turn == LAST]
    if numbered and last:
        faults.add(
            name,
            last[0],
            f"{len(last)} of {len(first_at)} responses have turn {LAST}, and others a number such "
            f"as {numbered[0]}.",
            f"Give the last turns their numbers too, or keep only {FIRST} and {LAST}.",
        )


def _note_late_starts(name: str, responses: Sequence[Response], faults: FaultList) -> None:
    """Conversations of several turns that do not begin with the first one."""
    every = turns_of(responses)
    late = {
        place: ends[0]
        for place, turns in every.items()
        if (ends := ends_of(turns)) and turn_order(ends[0]) > 1
    }
    if not late:
        return
    (scenario, _), turn = next(iter(late.items()))
    faults.note(
        name,
        None,
        f"{len(late)} of {len(every)} conversations do not begin with turn 1: {shown(scenario)} "
        f"begins at {turn}.",
        "Their drift is from the first turn that they have here.",
    )
