"""Rows of responses.* as responses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from backend.studies.conversation import read_messages
from backend.studies.faults import FaultList, nearest
from backend.studies.scores import read_scores
from backend.studies.tables import Row, check_columns, name_of, text_of
from backend.types import TURNS, Response, Turn

SCORE_PREFIX = "score:"
# A second score of the same response, by the same judge or another: score:warmth#2.
_REPEAT = re.compile(r"(?P<trait>.+)#[0-9]{1,3}")


def read_responses(
    name: str,
    rows: Sequence[Row],
    traits: Collection[str],
    score_range: tuple[float, float],
    faults: FaultList,
) -> list[Response]:
    """The responses of a file.

    Args:
        name: file name; jsonl holds scores in an object, csv and parquet in score: columns.
        rows: its records.
        traits: traits that have prompts; only these can be scored.
        score_range: lowest and highest allowed score.
        faults: told of everything wrong.
    """
    in_object = name.endswith(".jsonl")
    optional = ("turn", "responder", "group", "messages", *(("scores",) if in_object else ()))
    prefix = "" if in_object else SCORE_PREFIX
    good = check_columns(name, rows, ("scenario", "text"), optional, faults, prefix)
    responses: list[Response] = []
    first_at: dict[tuple[str, str, Turn | None], int] = {}
    unknown: set[str] = set()
    for row in good:
        raw = _raw_scores(name, row, in_object, faults)
        for trait in sorted({_trait_of(key, traits) for key in raw} - set(traits) - unknown):
            unknown.add(trait)
            hint = nearest(trait, traits) if traits else "No trait has prompts."
            faults.add(name, row.line, f"Scored trait {trait!r} has no prompts.", hint)
        known = {key: value for key, value in raw.items() if _trait_of(key, traits) in traits}
        scores = read_scores(name, row.line, known, score_range, faults)
        response = _response(name, row, _by_trait(scores, traits), faults)
        if response is None:
            continue
        key = (response.scenario, response.responder, response.turn)
        if key in first_at:
            faults.add(
                name,
                row.line,
                f"Scenario {key[0]!r}, turn {key[2] or 'none'}, responder {key[1]!r} stands on "
                f"line {first_at[key]} already.",
                "Give each response its own scenario, turn or responder.",
            )
            continue
        first_at[key] = row.line
        responses.append(response)
    _check_turns(name, first_at, faults)
    if responses and not any(response.scores for response in responses):
        faults.add(
            name,
            None,
            "No response has a score.",
            "Add scores, or leave the file out for a study of geometry only.",
        )
    return responses


def _trait_of(key: str, traits: Collection[str]) -> str:
    """The trait of a column of scores: ``warmth`` of warmth and of warmth#2."""
    found = _REPEAT.fullmatch(key)
    return key if key in traits or found is None else found["trait"]


def _by_trait(scores: Mapping[str, float], traits: Collection[str]) -> dict[str, list[float]]:
    """Trait -> its scores, in the order of the columns."""
    found: dict[str, list[float]] = {}
    for key, score in scores.items():
        found.setdefault(_trait_of(key, traits), []).append(score)
    return found


def _response(
    name: str, row: Row, scores: Mapping[str, Sequence[float]], faults: FaultList
) -> Response | None:
    scenario = name_of(name, row, "scenario", faults)
    text = text_of(name, row, "text", faults)
    turn = row.values.get("turn")
    if turn is not None and turn not in TURNS:
        faults.add(name, row.line, f"Unknown turn {turn!r}.", "Write t1 or tN, or leave it out.")
        return None
    responder = "unknown"
    if row.values.get("responder") is not None:
        responder = text_of(name, row, "responder", faults) or ""
    group: str | None = None
    if row.values.get("group") is not None:
        group = name_of(name, row, "group", faults)
        if group is None:
            return None
    messages = read_messages(name, row.line, row.values.get("messages"), faults)
    if scenario is None or text is None or not responder or messages is None:
        return None
    return Response(
        scenario=scenario,
        text=text,
        turn=cast("Turn | None", turn),
        responder=responder,
        messages=messages,
        scores={trait: sum(values) / len(values) for trait, values in scores.items()},
        repeats={trait: tuple(values) for trait, values in scores.items() if len(values) > 1},
        group=group,
    )


def _raw_scores(name: str, row: Row, in_object: bool, faults: FaultList) -> dict[str, Any]:
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
