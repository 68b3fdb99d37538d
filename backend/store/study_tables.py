"""A study's rows, in the tables that study files and run files share."""

from __future__ import annotations

import json

import duckdb
import pyarrow as pa

from backend.store.connection import insert
from backend.store.schema import FORMAT
from backend.types import Message, Prompt, Response, Study


def write_study(
    connection: duckdb.DuckDBPyConnection, study: Study, content_hash: str, kind: str
) -> None:
    """Fill the study tables; the tables exist and are empty.

    Args:
        connection: a connection that may write.
        study: what to write; prompts and responses are numbered in its order.
        content_hash: hash of the study's content.
        kind: ``study`` or ``run``, the kind of file this is.
    """
    connection.execute("INSERT INTO file_format VALUES (?, ?)", [FORMAT, kind])
    connection.execute(
        "INSERT INTO study VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            study.name,
            content_hash,
            study.title,
            study.description,
            study.licence,
            study.provenance,
            *study.score_range,
            study.target,
        ],
    )
    insert(
        connection,
        "traits",
        {
            "position": pa.array(range(len(study.traits)), pa.int32()),
            "trait": list(study.traits),
            "description": list(study.traits.values()),
        },
    )
    insert(
        connection,
        "prompts",
        {
            "prompt_id": pa.array(range(len(study.prompts)), pa.int32()),
            "trait": [p.trait for p in study.prompts],
            "pole": [p.pole for p in study.prompts],
            "prompt_set": [p.prompt_set for p in study.prompts],
            "text": [p.text for p in study.prompts],
        },
    )
    insert(
        connection,
        "responses",
        {
            "response_id": pa.array(range(len(study.responses)), pa.int32()),
            "scenario": [r.scenario for r in study.responses],
            "turn": pa.array([r.turn for r in study.responses], pa.string()),
            "responder": [r.responder for r in study.responses],
            "messages": [
                json.dumps(
                    [{"role": m.role, "content": m.content} for m in r.messages], ensure_ascii=False
                )
                for r in study.responses
            ],
            "text": [r.text for r in study.responses],
        },
    )
    scores = [
        (index, trait, float(score))
        for index, response in enumerate(study.responses)
        for trait, score in response.scores.items()
    ]
    insert(
        connection,
        "scores",
        {
            "response_id": pa.array([row[0] for row in scores], pa.int32()),
            "trait": [row[1] for row in scores],
            "score": pa.array([row[2] for row in scores], pa.float64()),
        },
    )


def read_study(connection: duckdb.DuckDBPyConnection) -> tuple[Study, str]:
    """The study in an open study or run file, and its content hash."""
    head = connection.execute(
        "SELECT name, title, description, licence, provenance, score_low, score_high, content_hash"
        " FROM study"
    ).fetchall()[0]
    traits = connection.execute("SELECT trait, description FROM traits ORDER BY position")
    trait_rows = dict(traits.fetchall())
    prompts = tuple(
        Prompt(trait=trait, pole=pole, text=text, prompt_set=prompt_set)
        for trait, pole, text, prompt_set in connection.execute(
            "SELECT trait, pole, text, prompt_set FROM prompts ORDER BY prompt_id"
        ).fetchall()
    )
    scores: dict[int, dict[str, float]] = {}
    for response_id, trait, score in connection.execute(
        "SELECT response_id, trait, score FROM scores ORDER BY response_id"
    ).fetchall():
        scores.setdefault(response_id, {})[trait] = score
    responses = tuple(
        Response(
            scenario=scenario,
            text=text,
            turn=turn,
            responder=responder,
            messages=tuple(Message(**message) for message in json.loads(messages)),
            scores=scores.get(response_id, {}),
        )
        for response_id, scenario, text, turn, responder, messages in connection.execute(
            "SELECT response_id, scenario, text, turn, responder, messages FROM responses"
            " ORDER BY response_id"
        ).fetchall()
    )
    study = Study(
        name=head[0],
        title=head[1],
        description=head[2],
        licence=head[3],
        provenance=head[4],
        score_range=(head[5], head[6]),
        traits=trait_rows,
        prompts=prompts,
        responses=responses,
    )
    return study, str(head[7])
