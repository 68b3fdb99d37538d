"""A published run as a source for another: activations of the same texts, and what followed from
them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import compute

from backend.errors import RunNotFound
from backend.settings import Settings
from backend.store.connection import TextKind, reading, unreadable
from backend.store.run import Run, run_path
from backend.store.run_record import PROMPT_TOKENS
from backend.store.study import messages_json
from backend.types import PromptTokens, Study

# Derived tables whose rows are of prompts, so that their ids are those of the new study.
_OF_PROMPTS = ("gram", "moments", "influences")
_OF_METHODS = ("vectors", "projections", "correlations", "best_layers")
_OF_NO_LAYER = ("behaviours", "best_layers")
# What a method is made of at one cell.
METHOD_TABLES = ("vectors", "projections", "correlations")


@dataclass(frozen=True)
class Part:
    """What a new run takes from a published one.

    Attributes:
        run_id: the published run.
        prompts: id of a prompt in the new study -> its id there.
        responses: likewise.
        tokens: id of a prompt in the new study -> its tokens; only those that the run has kept.
    """

    run_id: str
    prompts: Mapping[int, int]
    responses: Mapping[int, int]
    tokens: Mapping[int, PromptTokens] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompts) + len(self.responses)

    def without(self, prompts: Collection[int], responses: Collection[int]) -> Part:
        """The part that gives none of some texts. Args: their ids in the new study."""
        return Part(
            self.run_id,
            {new: old for new, old in self.prompts.items() if new not in prompts},
            {new: old for new, old in self.responses.items() if new not in responses},
            {new: found for new, found in self.tokens.items() if new not in prompts},
        )


@dataclass(frozen=True)
class Carried:
    """What a new run takes of a published run's derived tables, all of whose responses it has.

    Attributes:
        part: the published run, and how its prompts are numbered.
        version: by which its tables were derived.
        layers: of the new run.
        traits: traits of which nothing has changed: all their rows.
        methods: of which vectors are taken for them.
        best_layers: whether the layers are the same, so that the best of them is too.
        scored: traits of which the prompts alone have changed: rows of what is fitted to responses.
        fitted: methods of that kind.
    """

    part: Part
    version: int
    layers: tuple[int, ...]
    traits: tuple[str, ...]
    methods: tuple[str, ...]
    best_layers: bool
    scored: tuple[str, ...]
    fitted: tuple[str, ...]


# What a model reads of a text, and optionally the place of the text in its study, as a digest.
_Key = bytes


@dataclass(frozen=True)
class StudyTexts:
    """The texts of a study, by what a model reads of them.

    Attributes:
        prompts: of each prompt, what is read, and that with its trait, pole and prompt set.
        responses: of each response, what is read.
    """

    prompts: tuple[tuple[_Key, _Key], ...]
    responses: tuple[_Key, ...]

    @classmethod
    def of(cls, study: Study) -> StudyTexts:
        """The texts of a study, each in its conversation."""
        prompts = []
        for prompt in study.prompts:
            read = (messages_json(prompt.messages) if prompt.messages else None, prompt.text)
            place = (prompt.trait, prompt.pole, prompt.prompt_set)
            prompts.append((_key(*read), _key(*read, *place)))
        responses = [_key(messages_json(one.messages), one.text) for one in study.responses]
        return cls(tuple(prompts), tuple(responses))


@dataclass(frozen=True)
class SourceTexts:
    """Which texts a published run has.

    Attributes:
        prompts: what is read of a prompt, with and without its place -> its id, the first of its
            kind.
        responses: what is read of each response, by id.
        numbers: what is read of a response -> its id, the first of its kind.
        tokens: of each prompt; empty where the run has kept none.
    """

    prompts: Mapping[_Key, int]
    responses: tuple[_Key, ...]
    numbers: Mapping[_Key, int]
    tokens: tuple[PromptTokens, ...]

    def part(self, run_id: str, study: StudyTexts) -> Part:
        """Texts of a study that the run has, each in its conversation.

        A text that stands several times is taken from the same prompt of the run, or the same
        place, where it stands there.

        Args:
            run_id: of the run.
            study: of the new run.
        """
        prompts = {
            new: self.prompts.get(placed, self.prompts[read])
            for new, (read, placed) in enumerate(study.prompts)
            if read in self.prompts
        }
        responses = {
            new: new if self.responses[new : new + 1] == (read,) else self.numbers[read]
            for new, read in enumerate(study.responses)
            if read in self.numbers
        }
        tokens = {new: self.tokens[old] for new, old in prompts.items()} if self.tokens else {}
        return Part(run_id, prompts, responses, tokens)


class SourceRun(Run):
    """An open run that gives some of what it holds to another."""

    def texts(self) -> SourceTexts:
        """Which texts it has."""
        prompts: dict[_Key, int] = {}
        for number, messages, text, *place in self._rows(
            f"SELECT prompt_id, {self._since(6, 'messages', 'NULL')}, text, trait, pole, prompt_set"
            " FROM prompts ORDER BY prompt_id DESC"
        ):
            prompts[_key(messages, text)] = prompts[_key(messages, text, *place)] = number
        responses = tuple(
            _key(messages, text)
            for messages, text in self._rows(
                "SELECT messages, text FROM responses ORDER BY response_id"
            )
        )
        numbers = {read: number for number, read in reversed([*enumerate(responses)])}
        return SourceTexts(prompts, responses, numbers, self._tokens())

    def _tokens(self) -> tuple[PromptTokens, ...]:
        rows = self._rows("SELECT value FROM run WHERE key = ?", [PROMPT_TOKENS])
        if not rows:
            return ()
        return tuple(
            PromptTokens(tuple(ids), last, text) for ids, last, text in json.loads(rows[0][0])
        )

    def activations_of(
        self, kind: TextKind, wanted: Mapping[int, int], layers: Sequence[int]
    ) -> pa.Table:
        """Rows of the activations of some texts at some layers, by layer and under new ids.

        Args:
            kind: prompt or response.
            wanted: new id -> id in this run.
            layers: of the run.

        Raises:
            UnreadableFile: some are missing.
        """
        found = self._mapped(
            f"SELECT w.new_id AS {kind}_id, a.layer, a.tokens, a.norm, a.first_norm,"
            f" a.first_share, a.activation FROM wanted w JOIN {kind}_activations a"
            f" ON a.{kind}_id = w.old_id WHERE list_contains(?::INTEGER[], a.layer)",
            wanted,
            [list(layers)],
        )
        missing = len(wanted) * len(layers) - found.num_rows
        if missing:
            raise unreadable(self.path, f"{missing} activations are missing")
        # Sorted here, as DuckDB takes as long to sort rows of a thousand numbers as to read them.
        return found.take(
            compute.sort_indices(found, [("layer", "ascending"), (f"{kind}_id", "ascending")])
        )

    def derived_of(self, table: str, carried: Carried) -> pa.Table:
        """The rows of a derived table that another run takes, under its ids.

        Args:
            table: a derived table.
            carried: what is taken.
        """
        if table == "best_layers" and not carried.best_layers:
            return pa.table({})
        asked: list[object] = [list(carried.traits)]
        where = "list_contains(?::VARCHAR[], d.trait)"
        if table == "inner_products":
            where = f"(d.trait IS NULL OR {where})"
        if table not in _OF_NO_LAYER:
            where += " AND list_contains(?::INTEGER[], d.layer)"
            asked.append(list(carried.layers))
        if table in _OF_METHODS:
            where += " AND list_contains(?::VARCHAR[], d.method)"
            asked.append(list(carried.methods))
        if table in METHOD_TABLES:
            where = (
                f"({where}) OR (list_contains(?::VARCHAR[], d.trait)"
                " AND list_contains(?::INTEGER[], d.layer)"
                " AND list_contains(?::VARCHAR[], d.method))"
            )
            asked += [list(carried.scored), list(carried.layers), list(carried.fitted)]
        if table in _OF_PROMPTS:
            return self._mapped(
                f"SELECT d.* REPLACE (w.new_id AS prompt_id) FROM {table} d"
                f" JOIN wanted w ON w.old_id = d.prompt_id WHERE {where}",
                carried.part.prompts,
                asked,
            )
        return self._connection.sql(
            f"SELECT d.* FROM {table} d WHERE {where}", params=asked
        ).to_arrow_table()

    def _mapped(self, query: str, wanted: Mapping[int, int], asked: Sequence[object]) -> pa.Table:
        ids = pa.table(
            {
                "new_id": pa.array(list(wanted), pa.int32()),
                "old_id": pa.array(list(wanted.values()), pa.int32()),
            }
        )
        self._connection.register("wanted", ids)
        try:
            return self._connection.sql(query, params=list(asked)).to_arrow_table()
        finally:
            self._connection.unregister("wanted")


def _key(*parts: str | None) -> _Key:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        # Each with its length, so that no two lists of parts run into the same bytes.
        raw = b"" if part is None else part.encode("utf-8", "surrogatepass")
        found.update(b"-" if part is None else b"%d:" % len(raw))
        found.update(raw)
    return found.digest()


@contextmanager
def open_source(settings: Settings, run_id: str) -> Iterator[SourceRun]:
    """A published run, open to take from.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: the file is damaged or of another format.
    """
    path = run_path(settings, run_id)
    if not path.exists():
        raise RunNotFound(
            f"Run {run_id} is gone.",
            expected="a published run.",
            remedy="extract its texts again.",
        )
    with reading(path, "run") as connection:
        yield SourceRun(connection, path)
