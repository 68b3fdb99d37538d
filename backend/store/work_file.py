"""A run while it is being written: one worker, one file, one commit per batch."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backend.core.first_token import FirstTokens
from backend.errors import StoreError, UnreadableFile
from backend.names import file_in
from backend.settings import Settings
from backend.store.connection import MALFORMED, TextKind, discard, fixed_rows, insert, publish
from backend.store.room import writing
from backend.store.run import Run
from backend.store.run_record import PROMPT_TOKENS, RunRecord
from backend.store.schema import (
    DERIVED_TABLES,
    FORMAT,
    MIGRATIONS,
    STUDY_TABLES,
    derived_tables,
    run_tables,
)
from backend.store.source_run import Carried, Part, SourceRun, open_source
from backend.store.study import write_study
from backend.types import PromptTokens, Study

logger = logging.getLogger("steerscope.store")

# Commits wait in the log until it is this large: publishing writes all of it anew anyway.
WAL = "512MB"
# Bytes that are inserted by one statement, about.
GATHERED = 2**26


class WorkFile:
    """The work file of a run, opened or reopened.

    Batches are idempotent: committing one that is already there changes nothing, so a step that
    ran twice after a crash leaves the same file.

    Args:
        path: ``work/<run id>.duckdb``; created if it is not there.

    Raises:
        UnreadableFile: another process is writing it, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = False
        try:
            self.connection = duckdb.connect(str(path), config={"wal_autocheckpoint": WAL})
        except duckdb.Error as fault:
            raise UnreadableFile(
                f"The work file {path.name} cannot be opened: {str(fault).splitlines()[0]}.",
                expected="a work file that no other process is writing.",
                remedy="stop the other worker, or delete the file to start the run afresh.",
            ) from fault

    @classmethod
    def of_published(cls, source: Path, path: Path) -> WorkFile:
        """A copy of a published run in the newest format and without its derived rows, to derive
        them anew. Made in one piece: a copy that is there already is gone on with.

        Args:
            source: the published run.
            path: where the work file is, or will be.

        Raises:
            UnreadableFile: another process is writing the copy, or it is damaged.
        """
        if not path.exists():
            draft = path.with_name(f"{path.name}.draft")
            try:
                with writing(draft):
                    shutil.copyfile(source, draft)
                    copy = cls(draft)
                    try:
                        copy._make_ready()
                    finally:
                        copy.close()
                    draft.replace(path)
            finally:
                discard(draft)
        return cls(path)

    def _make_ready(self) -> None:
        """Bring the tables to the newest format and make the derived ones anew, as they may be
        damaged."""
        with self.together():
            for table in DERIVED_TABLES:
                self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        found = self.connection.execute("SELECT format FROM file_format").fetchall()[0][0]
        for number in range(found + 1, FORMAT + 1):
            with self.together():
                for statement in MIGRATIONS[number]:
                    self.connection.execute(statement)
                self.connection.execute("UPDATE file_format SET format = ?", [number])
        with self.together():
            self.connection.execute(derived_tables(self.run.record.width))
            self._forget_derived()
        self.connection.execute("CHECKPOINT")

    def _forget_derived(self) -> None:
        for table in (*DERIVED_TABLES, "derivations"):
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute("DELETE FROM timings WHERE stage = 'derive'")

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self.connection.close()

    @property
    def initialised(self) -> bool:
        """Whether the study, the plan and the provenance have been committed."""
        found = self.connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_name = 'run'"
        ).fetchall()
        return bool(found[0][0])

    def initialise(
        self,
        record: RunRecord,
        study: Study,
        batches: Sequence[tuple[Sequence[int], int]],
        tokens: Sequence[PromptTokens] = (),
        taken: Taken | None = None,
    ) -> None:
        """Write provenance, study, plan and the activations that other runs give in one
        transaction.

        Args:
            record: provenance.
            study: copied whole, so that the run can be read without the study file.
            batches: per batch, indices of its texts (prompts first, then responses) and its
                number of tokens; texts that other runs give are in none.
            tokens: of each prompt; empty where there are none.
            taken: what other runs give; None for nothing.

        Raises:
            LostSource: a run that was to give something is gone or damaged; nothing is written.
        """
        prompts = len(study.prompts)
        with _straight_into_the_file(self.connection), self.together():
            self.connection.execute(STUDY_TABLES)
            self.connection.execute(run_tables(record.width))
            write_study(self.connection, study, record.study_hash, "run")
            rows = record.to_rows()
            if tokens:
                kept = [[own.ids, own.last, own.last_text] for own in tokens]
                rows[PROMPT_TOKENS] = json.dumps(kept)
            insert(self.connection, "run", {"key": list(rows), "value": list(rows.values())})
            self._insert_batches(batches, prompts, first=0)
            for table, incoming in _rows_taken(taken, record.layers):
                insert(self.connection, table, _columns(incoming))

    def batches(self) -> int:
        """Number of batches in the plan."""
        return int(self.connection.execute("SELECT count(*) FROM batches").fetchall()[0][0])

    def is_extracted(self) -> bool:
        """Whether every batch is committed."""
        rows = self.connection.execute("SELECT count(*) FROM batches WHERE seconds IS NULL")
        return rows.fetchall() == [(0,)]

    def planned_batches(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """The plan: per batch, indices of its texts, ascending (prompts first, then responses), and
        its number of tokens."""
        prompts, _ = self.run.text_counts
        rows = self.connection.execute(
            "SELECT prompt_ids, response_ids, tokens FROM batches ORDER BY batch_id"
        ).fetchall()
        return tuple(
            ((*own, *(prompts + number for number in responses)), tokens)
            for own, responses, tokens in rows
        )

    def plan_again(self, batches: Sequence[tuple[Sequence[int], int]]) -> None:
        """Put other batches in the place of those that are not committed.

        Args:
            batches: as for :meth:`initialise`, of the texts of those.
        """
        prompts, _ = self.run.text_counts
        with self.together():
            self.connection.execute("DELETE FROM batches WHERE seconds IS NULL")
            self._insert_batches(batches, prompts, first=self.batches())

    def _insert_batches(
        self, batches: Sequence[tuple[Sequence[int], int]], prompts: int, *, first: int
    ) -> None:
        insert(
            self.connection,
            "batches",
            {
                "batch_id": pa.array(range(first, first + len(batches)), pa.int32()),
                "prompt_ids": pa.array(
                    [[i for i in texts if i < prompts] for texts, _ in batches],
                    pa.list_(pa.int32()),
                ),
                "response_ids": pa.array(
                    [[i - prompts for i in texts if i >= prompts] for texts, _ in batches],
                    pa.list_(pa.int32()),
                ),
                "tokens": pa.array([count for _, count in batches], pa.int32()),
            },
        )

    def check_format(self) -> None:
        """Refuse to go on with tables of another version.

        Raises:
            StoreError: the file was begun by another version of Steerscope.
        """
        found = self.connection.execute("SELECT format FROM file_format").fetchall()[0][0]
        if found != FORMAT:
            raise StoreError(
                f"The unfinished run {self.path.stem} was begun in format {found}.",
                expected=f"a work file of format {FORMAT}.",
                remedy=f"delete work/{self.path.name} in the cache and start the run again.",
            )

    @cached_property
    def run(self) -> Run:
        """What was committed, as readers see a run; the file must be initialised."""
        return Run(self.connection, self.path)

    def done_batches(self) -> frozenset[int]:
        """Ids of the batches that are committed."""
        rows = self.connection.execute(
            "SELECT batch_id FROM batches WHERE seconds IS NOT NULL"
        ).fetchall()
        return frozenset(row[0] for row in rows)

    def commit_batch(
        self,
        batch_id: int,
        pooled: NDArray[np.float32],
        wanted_counts: Sequence[int],
        seconds: float,
        first: FirstTokens | None = None,
    ) -> None:
        """Commit the pooled activations of one batch; a batch already there is left alone.

        Args:
            batch_id: index of the batch in the plan.
            pooled: [layers, texts, d] in the plan's order: prompts first, then responses.
            wanted_counts: number of pooled tokens per text, in the same order.
            seconds: time the forward pass took.
            first: the texts' first tokens, [layers, texts]; None where there are no tokens, which
                is kept as not recorded.
        """
        if batch_id in self.done_batches():
            return
        layers = self.run.record.layers
        row = self.connection.execute(
            "SELECT prompt_ids, response_ids FROM batches WHERE batch_id = ?", [batch_id]
        ).fetchall()[0]
        with self.together():
            start = 0
            for kind, ids in (("prompt", row[0]), ("response", row[1])):
                own = slice(start, start + len(ids))
                start += len(ids)
                if ids:
                    self._insert_activations(
                        kind, ids, layers, pooled[:, own], wanted_counts[own], _first(first, own)
                    )
            self.connection.execute(
                "UPDATE batches SET seconds = ? WHERE batch_id = ?", [seconds, batch_id]
            )

    def replace(
        self,
        tables: dict[str, list[dict[str, object]]],
        layers: Collection[int] | None = None,
        traits: Collection[str] | None = None,
    ) -> None:
        """Replace derived rows in one transaction, so that deriving twice gives one copy.

        Args:
            tables: table -> chunks of columns to insert.
            layers: rows of these layers are replaced; None replaces those of every layer.
            traits: rows of these traits, and of none, are replaced; None replaces those of all.
        """
        where, asked = ["true"], list[object]()
        if layers is not None:
            where.append("list_contains(?::INTEGER[], layer)")
            asked.append(sorted(layers))
        if traits is not None:
            where.append("(trait IS NULL OR list_contains(?::VARCHAR[], trait))")
            asked.append(sorted(traits))
        with self.together():
            for table, chunks in tables.items():
                self.connection.execute(f"DELETE FROM {table} WHERE {' AND '.join(where)}", asked)
                insert(self.connection, table, *chunks)

    def begin_derivation(self, version: int) -> None:
        """Note by which version the tables are derived; what another has derived is forgotten.

        Repeatable: what this version has derived so far stays. So a run is never the work of two
        versions, although a worker may be updated between two layers.

        Args:
            version: of the code that derives.
        """
        rows = self.connection.execute("SELECT version FROM derivations").fetchall()
        if rows != [(version,)]:
            with self.together():
                self._forget_derived()
                self.connection.execute("INSERT INTO derivations VALUES (?, '')", [version])

    def end_derivation(self, made_at: str) -> None:
        """Record when the derived tables were complete."""
        self.connection.execute("UPDATE derivations SET made_at = ?", [made_at])

    def add_timing(self, stage: str, seconds: float) -> None:
        """Record time spent on a stage; a stage may have several rows after a restart."""
        self.connection.execute("INSERT INTO timings VALUES (?, ?)", [stage, seconds])

    def publish(self, target: Path, *, replace: bool = False, compact: bool = True) -> None:
        """Compact into one file without the gaps of many commits, and move it into place.

        Args:
            target: ``runs/<run id>.duckdb``.
            replace: put it in the place of the run that is there, whose readers keep what they
                have open; otherwise a run that is there stays.
            compact: False for a file of few commits, which has hardly any gaps: it is moved as it
                is, without being written again.
        """
        try:
            with writing(target):
                self._publish(target, replace=replace, compact=compact)
        finally:
            self.close()

    def _publish(self, target: Path, *, replace: bool, compact: bool) -> None:
        # A copy of a run that is derived again has been anyone's.
        own = None if replace else "run"
        if not compact:
            self.connection.execute("CHECKPOINT")
            self.close()
            publish(self.path, target, replace=replace, own=own)
            return
        whole = self.path.with_name(self.path.stem + ".compact.duckdb")
        discard(whole)
        (name,) = self.connection.execute("SELECT current_database()").fetchall()[0]
        own = name.replace('"', '""')
        try:
            self.connection.execute(f"ATTACH '{_quoted(whole)}' AS compact")
            self.connection.execute(f'COPY FROM DATABASE "{own}" TO compact')
            self.connection.execute("CHECKPOINT compact")
            self.connection.execute("DETACH compact")
            self.close()
            publish(whole, target, replace=replace, own=own)
        finally:
            self.close()
            discard(whole)
        discard(self.path)

    def _insert_activations(
        self,
        kind: str,
        ids: Sequence[int],
        layers: Sequence[int],
        pooled: NDArray[np.float32],
        counts: Sequence[int],
        first: dict[str, object],
    ) -> None:
        flat = pooled.reshape(-1, pooled.shape[-1])
        insert(
            self.connection,
            f"{kind}_activations",
            {
                f"{kind}_id": np.tile(np.asarray(ids, np.int32), len(layers)),
                "layer": np.repeat(np.asarray(layers, np.int32), len(ids)),
                "tokens": np.tile(np.asarray(counts, np.int32), len(layers)),
                "norm": np.linalg.norm(flat.astype(np.float64), axis=1),
                "activation": fixed_rows(flat),
                **first,
            },
        )

    def carry(self, settings: Settings, carried: Carried) -> Callable[[], None]:
        """What takes derived rows of a published run, in a transaction of its own. A thread may run
        it while others read this work file and derive, and write nothing.

        Args:
            settings: where the run is.
            carried: what is taken; the rows are not there yet.

        Returns:
            A function to be called once. It raises LostSource where the run is gone or damaged;
            then nothing is written.
        """
        connection = self.connection.cursor()

        def copy() -> None:
            try:
                with writing(self.path), _straight_into_the_file(connection):
                    connection.begin()
                    for table, rows in _derived_taken(settings, carried):
                        insert(connection, table, _columns(rows))
                    connection.commit()
            finally:
                connection.close()

        return copy

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is one commit, which takes tens of milliseconds."""
        if self._open:
            yield
            return
        with writing(self.path):
            self.connection.begin()
            self._open = True
            try:
                yield
            except BaseException:
                self.connection.rollback()
                raise
            else:
                self.connection.commit()
            finally:
                self._open = False


@contextmanager
def _straight_into_the_file(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is committed inside is not written into the log first: what other runs give may be
    nearly all of the file."""
    connection.execute("SET wal_autocheckpoint = '1KB'")
    yield
    # Not after a fault: a disk that was full leaves a connection that can be closed only.
    connection.execute(f"SET wal_autocheckpoint = '{WAL}'")


@dataclass(frozen=True)
class Taken:
    """What published runs give to a new one.

    Attributes:
        settings: where the runs are.
        parts: activations, of each text from one run at most.
    """

    settings: Settings
    parts: tuple[Part, ...]


class LostSource(Exception):
    """A run that was to give something is gone or damaged. Args: its id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def _rows_taken(taken: Taken | None, layers: Sequence[int]) -> Iterator[tuple[str, pa.Table]]:
    """Table and rows, several layers at a time; each run is open only while it is read.

    Raises:
        LostSource: a run cannot be read.
    """
    if taken is None:
        return
    for part in taken.parts:
        with _giving(taken.settings, part.run_id) as source:
            texts: tuple[tuple[TextKind, Mapping[int, int]], ...] = (
                ("prompt", part.prompts),
                ("response", part.responses),
            )
            for kind, wanted in texts:
                size = len(wanted) * source.record.width * np.dtype(np.float32).itemsize
                most = max(1, GATHERED // max(1, size))
                for first in range(0, len(layers) if wanted else 0, most):
                    some = layers[first : first + most]
                    yield f"{kind}_activations", source.activations_of(kind, wanted, some)


def _derived_taken(settings: Settings, carried: Carried) -> Iterator[tuple[str, pa.Table]]:
    """Table and rows of what is derived.

    Raises:
        LostSource: the run cannot be read.
    """
    with _giving(settings, carried.part.run_id) as source:
        for table in DERIVED_TABLES:
            yield table, source.derived_of(table, carried)


@contextmanager
def _giving(settings: Settings, run_id: str) -> Iterator[SourceRun]:
    """A run that gives something.

    Raises:
        LostSource: it cannot be read.
    """
    try:
        with open_source(settings, run_id) as source:
            yield source
    except (StoreError, *MALFORMED) as fault:
        logger.warning("%s gives nothing to this run: %s", run_id, fault)
        raise LostSource(run_id) from fault


def _columns(table: pa.Table) -> dict[str, object]:
    return dict(zip(table.column_names, table.columns, strict=True))


def work_path(settings: Settings, run_id: str) -> Path:
    """Where a run is while it is extracted.

    Raises:
        StoreError: the id cannot name a file.
    """
    return file_in(settings.work, "run", run_id)


def derivation_path(settings: Settings, run_id: str) -> Path:
    """Where a published run is while it is derived anew."""
    return file_in(settings.work, "run", run_id, ".derive.duckdb")


def _first(first: FirstTokens | None, own: slice) -> dict[str, object]:
    """Columns of the first tokens of some texts, by layer and text; undefined values as NULL."""
    if first is None:
        return {}
    return {
        "first_norm": pa.array(first.norms[:, own].reshape(-1)),
        "first_share": pa.array(first.shares[:, own].reshape(-1), from_pandas=True),
    }


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
