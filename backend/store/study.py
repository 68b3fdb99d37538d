"""A study's file: the only place that reads one, and that publishes one.

Studies are immutable files ``<name>@<hash>.duckdb``; the same tables stand in every run of theirs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from backend.core.arrays import Floats, Integers
from backend.errors import ExportError, StudyNotFound
from backend.names import file_in
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import (
    Connection,
    by_age,
    discard,
    insert,
    matrix_of,
    ordered_matrix_of,
    publish,
    reading,
    unreadable,
)
from backend.store.look_through import bad_name, read_whole
from backend.store.room import writing
from backend.store.run_values import StoredTable, TableFormat
from backend.store.schema import FORMAT, STUDY_TABLES
from backend.store.table_files import write_rows
from backend.turns import ends_of
from backend.types import (
    SIMULATED_PROVENANCE,
    Message,
    Pole,
    Prompt,
    Response,
    Study,
    StudyRef,
    Turn,
    chat_values,
)

# A pooled activation is d numbers: as text they are several times their size and unreadable, so
# these tables come only in Parquet.
ACTIVATION_TABLES = ("prompt_activations", "response_activations")
# Inner products of activations, from which the lab computes: large, and derived from the above.
PRODUCT_TABLES = ("gram", "alignment", "moments", "moment_totals")
_SAMPLE = 50
# Rows of an export that are in memory at a time.
_ROWS = 4096


@dataclass(frozen=True)
class StudySummary:
    """A published study in one line.

    Attributes:
        key: ``name@hash``.
        title: one line for people.
        provenance: who wrote and who scored it.
        target: what r is taken over: drift, level or none.
        traits: name -> description (may be empty), in the study's order.
        prompt_sets: names.
        prompts: number of prompts.
        responses: number of responses.
    """

    key: str
    title: str
    provenance: str
    target: str
    traits: dict[str, str]
    prompt_sets: tuple[str, ...]
    prompts: int
    responses: int

    @property
    def name(self) -> str:
        """The study's name, without the hash of a revision."""
        return self.key.rpartition("@")[0]

    @property
    def simulated(self) -> bool:
        """Whether no model read its texts and no judge scored them."""
        return self.provenance == SIMULATED_PROVENANCE


@dataclass(frozen=True)
class StoredPrompt:
    """A prompt as stored. Attributes: prompt_id (number in the study), prompt_set, pole, text, pair
    (None where prompts do not come in pairs) and the chat before it."""

    prompt_id: int
    prompt_set: str
    pole: Pole
    text: str
    pair: str | None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class StoredResponse:
    """A response as stored. Attributes: response_id, turn (None in a study without turns), text and
    the chat before it."""

    response_id: int
    turn: Turn | None
    text: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class ResponsePlace:
    """Which response one is. Attributes: response_id, scenario, responder, and turn (None in a
    study without turns)."""

    response_id: int
    scenario: str
    responder: str
    turn: Turn | None


class StudyFile:
    """An open file that holds a study: a study file, or a run with its study.

    Args:
        connection: to the file.
        path: of it.
    """

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @cached_property
    def format(self) -> int:
        """Number of the format it was written in; see :mod:`backend.store.schema`."""
        return int(self._rows("SELECT format FROM file_format")[0][0])

    @cached_property
    def _head(self) -> dict[str, Any]:
        columns = (
            "name",
            "content_hash",
            "title",
            "description",
            "licence",
            "provenance",
            "score_low",
            "score_high",
            "target",
        )
        (row,) = self._rows(f"SELECT {', '.join(columns)} FROM study")
        return dict(zip(columns, row, strict=True))

    def check_whole(self) -> None:
        """Read the file from one end to the other, so that damage anywhere in it is found.

        Raises:
            UnreadableFile: a name in it is none that an import lets pass. Other damage is told by
                whoever opened the file.
        """
        read_whole(self._connection)
        if (why := bad_name(self._connection)) is not None:
            raise unreadable(self.path, why)

    @property
    def title(self) -> str:
        """One line for people."""
        return str(self._head["title"])

    @property
    def provenance(self) -> str:
        """Who wrote and who scored the study."""
        return str(self._head["provenance"])

    @property
    def target(self) -> str:
        """What r is taken over: drift, level or none."""
        return str(self._head["target"])

    @property
    def score_range(self) -> tuple[float, float]:
        """Lowest and highest allowed score."""
        return self._head["score_low"], self._head["score_high"]

    @cached_property
    def traits(self) -> dict[str, str]:
        """Name -> description, in the study's order."""
        return dict(self._rows("SELECT trait, description FROM traits ORDER BY position"))

    @cached_property
    def prompt_sets(self) -> tuple[str, ...]:
        """Names of the prompt sets, sorted."""
        return tuple(
            name for (name,) in self._rows("SELECT DISTINCT prompt_set FROM prompts ORDER BY 1")
        )

    @cached_property
    def text_counts(self) -> tuple[int, int]:
        """Number of prompts and of responses."""
        (row,) = self._rows(
            "SELECT (SELECT count(*) FROM prompts), (SELECT count(*) FROM responses)"
        )
        return row[0], row[1]

    def traits_of_set(self, prompt_set: str) -> tuple[str, ...]:
        """Traits that have prompts of a set, in the study's order."""
        rows = self._rows(
            "SELECT trait FROM traits WHERE trait IN (SELECT trait FROM prompts"
            " WHERE prompt_set = ?) ORDER BY position",
            [prompt_set],
        )
        return tuple(trait for (trait,) in rows)

    @cached_property
    def turn_ends(self) -> tuple[str, str]:
        """Names of the first and last turn of conversations, between which drifts are; in words
        where they differ from one conversation to another, or there are none."""
        turns: dict[tuple[str, str], list[str]] = {}
        for scenario, responder, turn in self._rows(
            "SELECT DISTINCT scenario, responder, turn FROM responses WHERE turn IS NOT NULL"
        ):
            turns.setdefault((scenario, responder), []).append(turn)
        found = {ends for own in turns.values() if (ends := ends_of(own)) is not None}
        return found.pop() if len(found) == 1 else ("the first turn", "the last turn")

    def prompts(self, trait: str) -> tuple[StoredPrompt, ...]:
        """The prompts of a trait, of all sets, by id."""
        return tuple(
            StoredPrompt(number, name, pole, text, pair, _chat(messages))
            for number, name, pole, text, pair, messages in self._rows(
                "SELECT prompt_id, prompt_set, pole, text,"
                f" {self._since(5, 'pair', 'NULL')}, {self._since(6, 'messages', 'NULL')}"
                " FROM prompts WHERE trait = ?"
                " ORDER BY prompt_id",
                [trait],
            )
        )

    def members(self, trait: str, prompt_set: str) -> Integers:
        """Positions of a set's prompts among those of their trait, by id."""
        own = [prompt.prompt_set == prompt_set for prompt in self.prompts(trait)]
        return np.flatnonzero(own)

    def scores(self) -> dict[tuple[str, str], Floats]:
        """(responder, trait) -> all its scores, traits in the study's order."""
        rows = self._rows(
            "SELECT responder, trait, list(score ORDER BY response_id) FROM scores"
            " JOIN responses USING (response_id) JOIN traits USING (trait)"
            " GROUP BY responder, trait, position ORDER BY responder, position"
        )
        return {(who, trait): np.array(scores) for who, trait, scores in rows}

    def responses(self, numbers: Sequence[int]) -> tuple[StoredResponse, ...]:
        """Some responses with their chats, by id; numbers that are of none are left out.

        Args:
            numbers: their ids.
        """
        return tuple(
            StoredResponse(number, turn, text, _chat(messages))
            for number, turn, text, messages in self._rows(
                "SELECT response_id, turn, text, messages FROM responses"
                " WHERE list_contains(?::INTEGER[], response_id) ORDER BY response_id",
                [list(numbers)],
            )
        )

    @cached_property
    def response_places(self) -> tuple[ResponsePlace, ...]:
        """Which response each is, by id."""
        return tuple(
            ResponsePlace(*row)
            for row in self._rows(
                "SELECT response_id, scenario, responder, turn FROM responses ORDER BY response_id"
            )
        )

    def study(self) -> Study:
        """The whole study."""
        head = self._head
        scores: dict[int, dict[str, float]] = {}
        for response_id, trait, score in self._rows(
            "SELECT response_id, trait, score FROM scores ORDER BY response_id"
        ):
            scores.setdefault(response_id, {})[trait] = score
        repeats: dict[int, dict[str, tuple[float, ...]]] = {}
        if self.format >= 5:
            for response_id, trait, values in self._rows(
                "SELECT response_id, trait, list(score ORDER BY repeat) FROM repeated_scores"
                " GROUP BY ALL ORDER BY ALL"
            ):
                repeats.setdefault(response_id, {})[trait] = tuple(values)
        return Study(
            name=head["name"],
            title=head["title"],
            description=head["description"],
            licence=head["licence"],
            provenance=head["provenance"],
            score_range=self.score_range,
            traits=self.traits,
            prompts=tuple(
                Prompt(trait, pole, text, name, pair, _chat(messages))
                for trait, pole, text, name, pair, messages in self._rows(
                    f"SELECT trait, pole, text, prompt_set, {self._since(5, 'pair', 'NULL')},"
                    f" {self._since(6, 'messages', 'NULL')} FROM prompts ORDER BY prompt_id"
                )
            ),
            responses=tuple(
                Response(
                    scenario=scenario,
                    text=text,
                    turn=turn,
                    responder=responder,
                    messages=_chat(messages),
                    scores=scores.get(response_id, {}),
                    repeats=repeats.get(response_id, {}),
                    group=group,
                )
                for response_id, scenario, text, turn, responder, messages, group in self._rows(
                    "SELECT response_id, scenario, text, turn, responder, messages,"
                    f" {self._since(5, 'group_name', 'NULL')} FROM responses"
                    " ORDER BY response_id"
                )
            ),
        )

    # -- tables as files -------------------------------------------------------------------------

    def table_names(self) -> tuple[str, ...]:
        """Names of the file's tables, sorted."""
        rows = self._rows("SELECT table_name FROM duckdb_tables() ORDER BY 1")
        return tuple(name for (name,) in rows)

    def tables(self) -> tuple[StoredTable, ...]:
        """The file's tables with their expected sizes, by name."""
        return tuple(self._describe(name) for name in self.table_names())

    def check_table(self, name: str, form: TableFormat) -> None:
        """Refuse a table that cannot be written.

        Raises:
            ExportError: there is no such table, or it is not offered in this format.
        """
        known = self.table_names()
        if name not in known:
            raise ExportError(
                f"{self.path.stem} has no table {name!r}.",
                expected=f"one of {', '.join(known)}.",
                remedy="name one of these; docs/tables.md says what they hold.",
            )
        if form == "csv" and name in ACTIVATION_TABLES:
            raise ExportError(
                f"{name} is not offered as CSV.",
                expected="parquet: every row is an activation of hundreds to thousands of numbers.",
                remedy="export it as Parquet, or leave it out.",
            )

    def copy_table(self, name: str, form: TableFormat, path: Path) -> None:
        """Write one table to a file; numbers in full, NULL as an empty field of CSV.

        Args:
            name: a table that :meth:`check_table` lets pass.
            form: csv, with a header line and lists as ``[1, 2]``, and texts that a spreadsheet
                would run behind an apostrophe; or parquet.
            path: the file.
        """
        # The file's own connection can write no file, so its rows go through another.
        rows = self._connection.sql(f'SELECT * FROM "{name}"').to_arrow_reader(_ROWS)
        write_rows(rows, form, path)

    def _describe(self, name: str) -> StoredTable:
        columns = self._rows(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?"
            " ORDER BY column_index",
            [name],
        )
        rows = self._rows(f'SELECT count(*) FROM "{name}"')[0][0]
        text = " + ".join(f'coalesce(length("{column}"::VARCHAR), 0) + 1' for column, _ in columns)
        text = "0" if name in ACTIVATION_TABLES else text
        binary = " + ".join(_value_bytes(column, kind) for column, kind in columns)
        per_row = self._rows(
            f"SELECT coalesce(avg({text}), 0), coalesce(avg({binary}), 0)"
            f' FROM (SELECT * FROM "{name}" LIMIT {_SAMPLE})'
        )[0]
        header = sum(len(column) + 1 for column, _ in columns)
        return StoredTable(
            name=name,
            rows=rows,
            columns=tuple(column for column, _ in columns),
            csv_bytes=None if name in ACTIVATION_TABLES else header + round(rows * per_row[0]),
            # The footer of a Parquet file names every column and its statistics.
            parquet_bytes=round(rows * per_row[1]) + 1000 + 250 * len(columns),
        )

    def _since(self, number: int, newer: str, older: str) -> str:
        """SQL for what a format brought, or what takes its place in the formats before it."""
        return newer if self.format >= number else older

    def _rows(
        self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()

    def _matrix(self, query: str, parameters: list[object]) -> Floats:
        return matrix_of(self._connection, query, parameters).astype(np.float64)

    def _ordered_matrix(self, query: str, parameters: list[object]) -> Floats:
        return ordered_matrix_of(self._connection, query, parameters).astype(np.float64)


def _value_bytes(column: str, kind: str) -> str:
    """SQL for the bytes of a value without compression."""
    if kind == "VARCHAR":
        return f'coalesce(strlen("{column}"), 0) + 4'
    if kind.endswith("]"):
        each = 4 if kind.startswith(("FLOAT", "INTEGER")) else 8
        return f'coalesce(len("{column}"), 0) * {each} + 8'
    return "8"


@contextmanager
def open_study(settings: Settings, ref: StudyRef) -> Iterator[StudyFile]:
    """A published study, open for reading.

    Raises:
        UnreadableFile: the file is damaged or missing.
    """
    path = file_in(settings.studies, "study", ref.key)
    with reading(path, "study") as connection:
        yield StudyFile(connection, path)


def load_study(settings: Settings, ref: StudyRef) -> Study:
    """Read a published study.

    Raises:
        UnreadableFile: the file is damaged or missing.
    """
    with open_study(settings, ref) as file:
        return file.study()


def study_summary(settings: Settings, ref: StudyRef) -> StudySummary:
    """A published study in one line.

    Raises:
        UnreadableFile: the file is damaged or missing.
    """
    with open_study(settings, ref) as file:
        file.check_whole()
        prompts, responses = file.text_counts
        return StudySummary(
            key=ref.key,
            title=file.title,
            provenance=file.provenance,
            target=file.target,
            traits=file.traits,
            prompt_sets=file.prompt_sets,
            prompts=prompts,
            responses=responses,
        )


def list_studies(settings: Settings) -> tuple[StudyRef, ...]:
    """All published studies, by name, newest revision of a name last."""
    paths = by_age(settings.studies.glob("*@*.duckdb"))
    refs = [StudyRef(*path.stem.rsplit("@", 1)) for path in paths]
    return tuple(sorted(refs, key=lambda ref: ref.name))


def find_study(settings: Settings, wanted: str) -> StudyRef:
    """The study named ``name@hash``, or the newest revision of ``name``.

    Raises:
        StudyNotFound: there is none.
    """
    refs = list_studies(settings)
    matches = [ref for ref in refs if wanted in (ref.key, ref.name)]
    if not matches:
        known = ", ".join(ref.key for ref in refs) or "none yet"
        raise StudyNotFound(
            f"No study is called {wanted!r}.",
            expected=f"one of the imported studies: {known}.",
            remedy="import it first: python -m backend import-study PATH.",
        )
    return matches[-1]


def publish_study(settings: Settings, study: Study, content_hash: str) -> StudyRef:
    """Keep a study. The same name and content give the file that is there already.

    Args:
        settings: where the store is.
        study: a valid study.
        content_hash: hash of its content.

    Raises:
        ReadOnly, NotAllowed: nothing may be imported here, or not by who asks.
        NoRoom: the disk is full, or does not let it be written; nothing is left behind.
    """
    ref = StudyRef(study.name, content_hash)
    target = file_in(settings.studies, "study", ref.key)
    if target.exists():
        return ref
    changing(settings, "import study", ref.key)
    settings.make_folders()
    work = settings.work / f"study-{uuid.uuid4().hex}.duckdb"
    try:
        with writing(target):
            with duckdb.connect(str(work)) as connection:
                connection.execute(STUDY_TABLES)
                write_study(connection, study, content_hash, "study")
                connection.execute("CHECKPOINT")
            publish(work, target)
    finally:
        discard(work)
    return ref


def messages_json(messages: Sequence[Message]) -> str:
    """A chat as it is stored."""
    return json.dumps(chat_values(messages), ensure_ascii=False)


def _chat(stored: str | None) -> tuple[Message, ...]:
    return () if stored is None else tuple(Message(**one) for one in json.loads(stored))


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
            "pair": pa.array([p.pair for p in study.prompts], pa.string()),
            "messages": pa.array(
                [messages_json(p.messages) if p.messages else None for p in study.prompts],
                pa.string(),
            ),
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
            "messages": [messages_json(r.messages) for r in study.responses],
            "text": [r.text for r in study.responses],
            "group_name": pa.array([r.group for r in study.responses], pa.string()),
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
    repeated = [
        (index, trait, repeat, score)
        for index, response in enumerate(study.responses)
        for trait, values in response.repeats.items()
        for repeat, score in enumerate(values, start=1)
    ]
    insert(
        connection,
        "repeated_scores",
        {
            "response_id": pa.array([row[0] for row in repeated], pa.int32()),
            "trait": [row[1] for row in repeated],
            "repeat": pa.array([row[2] for row in repeated], pa.int32()),
            "score": pa.array([row[3] for row in repeated], pa.float64()),
        },
    )
