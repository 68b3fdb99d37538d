"""A published run as a source for another: activations of the same texts, and what followed from
them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

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


class SourceRun(Run):
    """An open run that gives some of what it holds to another."""

    def part_for(self, study: Study) -> Part:
        """Texts of a study that this run has, each in its conversation.

        A text that stands several times is taken from the same prompt of this run, or the same
        place, where it stands there.

        Args:
            study: of the new run.
        """
        prompts: dict[tuple[str | None, ...], int] = {}
        for number, *place in self._rows(
            f"SELECT prompt_id, {self._since(6, 'messages', 'NULL')}, text, trait, pole, prompt_set"
            " FROM prompts ORDER BY prompt_id DESC"
        ):
            prompts[tuple(place[:2])] = prompts[tuple(place)] = number
        own: dict[int, int] = {}
        for new, prompt in enumerate(study.prompts):
            read = (messages_json(prompt.messages) if prompt.messages else None, prompt.text)
            if read in prompts:
                key = (*read, prompt.trait, prompt.pole, prompt.prompt_set)
                own[new] = prompts.get(key, prompts[read])
        texts = dict(
            (number, (messages, text))
            for number, messages, text in self._rows(
                "SELECT response_id, messages, text FROM responses ORDER BY response_id DESC"
            )
        )
        numbers = {text: number for number, text in texts.items()}
        found: dict[int, int] = {}
        for new, response in enumerate(study.responses):
            chat = (messages_json(response.messages), response.text)
            if chat in numbers:
                found[new] = new if texts.get(new) == chat else numbers[chat]
        kept = self._tokens()
        tokens = {new: kept[old] for new, old in own.items()} if kept else {}
        return Part(self.path.stem, own, found, tokens)

    def _tokens(self) -> tuple[PromptTokens, ...]:
        rows = self._rows("SELECT value FROM run WHERE key = ?", [PROMPT_TOKENS])
        if not rows:
            return ()
        return tuple(
            PromptTokens(tuple(ids), last, text) for ids, last, text in json.loads(rows[0][0])
        )

    def activations_of(self, kind: TextKind, wanted: Mapping[int, int], layer: int) -> pa.Table:
        """Rows of the activations of some texts at a layer, under new ids.

        Args:
            kind: prompt or response.
            wanted: new id -> id in this run.
            layer: one of the run's layers.

        Raises:
            UnreadableFile: some are missing.
        """
        found = self._mapped(
            f"SELECT w.new_id AS {kind}_id, a.layer, a.tokens, a.norm, a.first_norm,"
            f" a.first_share, a.activation FROM wanted w JOIN {kind}_activations a"
            f" ON a.{kind}_id = w.old_id WHERE a.layer = ? ORDER BY 1",
            wanted,
            [layer],
        )
        if found.num_rows != len(wanted):
            raise unreadable(self.path, f"{len(wanted) - found.num_rows} activations are missing")
        return found

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
