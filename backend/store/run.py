"""A run's file: the only place that reads one.

What a run holds is documented for users of the duckdb client in docs/tables.md; its tables and the
numbered formats they have had are in :mod:`backend.store.schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.core.arrays import Floats
from backend.core.estimate import (
    BCA_BOOTSTRAP,
    BONETT_WRIGHT,
    FISHER_Z,
    GROUPED_Z,
    HALVES,
    Estimate,
)
from backend.core.first_token import FirstTokens
from backend.core.metrics import registry
from backend.core.moments import Moments
from backend.core.prompt_cells import pair_numbers
from backend.core.vectors.controls import Control
from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.core.vectors.subsampling import SubsampleSize
from backend.errors import RunNotFound, UnreadableFile
from backend.names import file_in
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import MALFORMED, TextKind, by_age, ordered_matrix_of, reading
from backend.store.derived import damaged_shape, damaged_values
from backend.store.file_cache import FileCache
from backend.store.run_record import PROMPT_TOKENS, RunRecord
from backend.store.run_values import (
    BestLayerRow,
    CaseTexts,
    CellKey,
    CellProducts,
    CellResult,
    CorrelationRow,
    KeptMethod,
    ProductCases,
    PromptFirstTokens,
    PromptRow,
    RepeatedScores,
    RunSummary,
    ScoredCases,
    ScoredText,
    StoredVector,
    TurnValues,
)
from backend.store.schema import LABELLED_RANGE, RANGED_LABELS, WHOLE_PAIRS
from backend.store.shared import share_deletion
from backend.store.study import StudyFile
from backend.turns import turn_order

CHUNK = 2048
# Which of the two it was is not among a run's columns.
NO_BOOTSTRAP = "a bootstrap needs 10 scenarios, or groups of cases, and an r in every resample"
NOT_COMPUTED = "not computed in this run: derive again"
DriftKey = tuple[str, str, str]
Drifts = tuple[dict[int, Floats], Floats]
# Every file is looked through once; a file that is replaced is another.
_SHAPES = FileCache(4096)


def run_path(settings: Settings, run_id: str) -> Path:
    """Where a published run is, or would be.

    Raises:
        StoreError: the id cannot name a file.
    """
    return file_in(settings.runs, "run", run_id)


def list_run_ids(settings: Settings) -> tuple[str, ...]:
    """Ids of all published runs, oldest first."""
    return tuple(path.stem for path in by_age(settings.runs.glob("*.duckdb")))


@contextmanager
def open_run(settings: Settings, run_id: str, *, derived: bool = True) -> Iterator[Run]:
    """A published run, open for reading; any number of processes may have it open.

    Args:
        settings: where the store is.
        run_id: a published run.
        derived: whether its derived tables are wanted, and so must hold together.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: the file is damaged or of another format.
    """
    path = run_path(settings, run_id)
    if not path.exists():
        known = ", ".join(list_run_ids(settings)[-5:]) or "none yet"
        raise RunNotFound(
            f"No run is called {run_id!r}.",
            expected=f"a published run (newest: {known}).",
            remedy="list them with: python -m backend runs.",
        )
    with reading(path, "run") as connection:
        run = Run(connection, path)
        if derived:
            why = _SHAPES.get("shape", [path], run.damaged_shape)
            if why is not None:
                raise _derive_again(run_id, why)
        try:
            yield run
        except MALFORMED as fault:
            # A value that no reader of a sound run meets is told from a fault of the program.
            why = run.damaged_values()
            if why is None:
                raise
            raise _derive_again(run_id, why) from fault


def _derive_again(run_id: str, why: str) -> UnreadableFile:
    return UnreadableFile(
        f"The derived tables of run {run_id} are damaged: {why}.",
        expected="tables as they were derived; the run's activations are kept apart.",
        remedy=f"derive it again with: python -m backend derive {run_id}.",
    )


def delete_run(settings: Settings, run_id: str) -> None:
    """Remove a published run's file.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: the file is no run of this version.
        ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
        SharedAway: it is in a shared place that cannot be asked.
    """
    with open_run(settings, run_id, derived=False):
        pass
    changing(settings, "delete run", run_id)
    share_deletion(settings, "runs", run_id)
    # By then another process of this cache may have learned of it.
    run_path(settings, run_id).unlink(missing_ok=True)


class Run(StudyFile):
    """An open run: its study, activations and everything derived from them.

    Args:
        connection: to the run's file, or to the work file it is being written in.
        path: of that file.
    """

    # -- where it came from --------------------------------------------------------------------

    @cached_property
    def record(self) -> RunRecord:
        """Provenance.

        Raises:
            UnreadableFile: a key is missing.
        """
        rows = dict(self._rows("SELECT key, value FROM run WHERE key <> ?", [PROMPT_TOKENS]))
        try:
            return RunRecord.from_rows(rows)
        except KeyError as fault:
            raise UnreadableFile(
                f"Run {self.path.stem} has no provenance entry {fault}.",
                expected="every entry of a run's provenance.",
                remedy="extract it again.",
            ) from fault

    @cached_property
    def derivation(self) -> int:
        """Version of the code that computed the derived tables; 0 for runs before it was kept."""
        if self.format < 4:
            return 0
        found = self._rows("SELECT max(version) FROM derivations")[0][0]
        return int(found or 0)

    @property
    def label_range(self) -> tuple[float, float]:
        """Lowest and highest score at whose fractions the probes of this run split the responses
        into high and low ones: the study's, or 0 to 10 in a run that an earlier version derived."""
        return self.score_range if self.derivation >= RANGED_LABELS else LABELLED_RANGE

    def summary(self) -> RunSummary:
        """The run in one line."""
        seconds, tokens = self._rows(
            "SELECT coalesce(sum(seconds), 0), coalesce(sum(tokens), 0) FROM batches"
        )[0]
        derive = self._rows("SELECT coalesce(sum(seconds), 0) FROM timings WHERE stage = 'derive'")[
            0
        ][0]
        prompts, responses = self.text_counts
        return RunSummary(
            record=self.record,
            study_title=self.title,
            study_provenance=self.provenance,
            prompts=prompts,
            responses=responses,
            prompt_sets=self.prompt_sets,
            traits=tuple(self.traits),
            forward_seconds=float(seconds),
            derive_seconds=float(derive),
            tokens=int(tokens),
            bytes=self.path.stat().st_size,
            derivation=self.derivation,
        )

    def damaged_shape(self) -> str | None:
        """What is wrong with the derived tables' columns, rows or lengths; None if nothing is."""
        return damaged_shape(self._connection, self.format, self.record.layers)

    def damaged_values(self) -> str | None:
        """What is wrong with the derived tables' values; None if nothing is."""
        return damaged_values(self._connection)

    # -- cells -----------------------------------------------------------------------------------

    def cells(
        self, trait: str | None = None, prompt_set: str | None = None, layer: int | None = None
    ) -> tuple[CellResult, ...]:
        """Metrics and r of the mean difference of every cell, by trait in the study's order,
        prompt set and layer.

        Args:
            trait: only this trait; None for all.
            prompt_set: only this set; None for all.
            layer: only this layer; None for all.
        """
        of_prompts = {"trait": trait, "prompt_set": prompt_set}
        prompts = (
            " WHERE ($trait::VARCHAR IS NULL OR trait = $trait)"
            " AND ($prompt_set::VARCHAR IS NULL OR prompt_set = $prompt_set)"
        )
        only = of_prompts | {"layer": layer}
        where = f"{prompts} AND ($layer::INTEGER IS NULL OR layer = $layer)"
        counts = {
            (name, of_set): count
            for name, of_set, count in self._rows(
                f"SELECT trait, prompt_set, count(*) FROM prompts{prompts} GROUP BY ALL", of_prompts
            )
        }
        old_of_pairs: set[str] = set()
        paired: set[tuple[str, str]] = set()
        if self.derivation < WHOLE_PAIRS and self.format >= 5:
            old_of_pairs = {own.name for own in registry.METRICS if own.whole_pairs}
            paired = set(
                self._rows(
                    f"SELECT DISTINCT trait, prompt_set FROM prompts{prompts} AND pair IS NOT NULL",
                    of_prompts,
                )
            )
        metrics: dict[CellKey, dict[str, Estimate]] = {}
        for name, of_set, at, metric, value, reason in self._rows(
            f"SELECT trait, prompt_set, layer, name, value, reason FROM metrics{where}", only
        ):
            if metric in old_of_pairs and (name, of_set) in paired:
                continue
            key = CellKey(name, of_set, at)
            found = _estimate(value, None, None, None, counts[name, of_set], reason)
            metrics.setdefault(key, {})[metric] = found
        controls: dict[CellKey, dict[str, Control]] = {}
        for name, of_set, at, kind, *values in self._rows(
            "SELECT trait, prompt_set, layer, kind, draws, low, high, typical, p, reason"
            f" FROM controls{where} ORDER BY kind",
            only,
        ):
            controls.setdefault(CellKey(name, of_set, at), {})[kind] = Control(*values)
        return tuple(
            CellResult(
                key=key,
                target=row.target,
                correlation=row.correlation,
                pooled=row.pooled,
                bootstrap=row.bootstrap,
                rank=row.rank,
                controls=controls.get(key, {}),
                metrics={
                    metric.name: metrics.get(key, {}).get(
                        metric.name,
                        Estimate.undefined(counts[row.trait, row.prompt_set], NOT_COMPUTED),
                    )
                    for metric in registry.METRICS
                },
            )
            for row in self.correlations(MEAN_DIFFERENCE, trait, prompt_set, layer)
            for key in (CellKey(row.trait, row.prompt_set, row.layer),)
        )

    def correlations(
        self,
        method: str | None = None,
        trait: str | None = None,
        prompt_set: str | None = None,
        layer: int | None = None,
    ) -> tuple[CorrelationRow, ...]:
        """r of every vector, by method, trait in the study's order, prompt set and layer; each
        argument narrows them down."""
        newer = "groups, effective, pooled_r, pooled_low, pooled_high"
        older = "NULL, NULL, r, low, high"
        rows = self._rows(
            "SELECT method, c.trait, prompt_set, layer, target, n, r, low, high, p, reason,"
            " boot_low, boot_high, rho, rho_low, rho_high,"
            f" {self._since(5, newer, older)}"
            " FROM correlations c JOIN traits t USING (trait)"
            " WHERE ($method::VARCHAR IS NULL OR method = $method)"
            " AND ($trait::VARCHAR IS NULL OR c.trait = $trait)"
            " AND ($prompt_set::VARCHAR IS NULL OR prompt_set = $prompt_set)"
            " AND ($layer::INTEGER IS NULL OR layer = $layer)"
            " ORDER BY method, t.position, prompt_set, layer",
            {"method": method, "trait": trait, "prompt_set": prompt_set, "layer": layer},
        )
        found = []
        for name, of_trait, of_set, at, target, n, r, low, high, p, reason, *rest in rows:
            boot_low, boot_high, rho, rho_low, rho_high, groups, effective, *pooled = rest
            found.append(
                CorrelationRow(
                    method=name,
                    trait=of_trait,
                    prompt_set=of_set,
                    layer=at,
                    target=target,
                    correlation=_correlation(r, low, high, p, n, reason, effective, groups),
                    pooled=_correlation(
                        pooled[0], pooled[1], pooled[2], None, n, reason, None, groups
                    ),
                    bootstrap=_estimate(
                        r,
                        boot_low,
                        boot_high,
                        None,
                        n,
                        reason or (NO_BOOTSTRAP if boot_low is None else None),
                        BCA_BOOTSTRAP,
                        effective,
                        groups,
                    ),
                    rank=_estimate(
                        rho,
                        rho_low,
                        rho_high,
                        None,
                        n,
                        reason,
                        GROUPED_Z if groups else BONETT_WRIGHT,
                        groups=groups,
                    ),
                )
            )
        return tuple(found)

    def best_layers(
        self, method: str | None = None, prompt_set: str | None = None
    ) -> tuple[BestLayerRow, ...]:
        """The layer with the highest r of every vector, with what the choice is worth, by method
        and trait in the study's order; each argument narrows them down."""
        rows = self._rows(
            "SELECT b.method, b.trait, b.prompt_set, b.layer, b.of_layers, b.p, b.null_95,"
            " b.held_out_r, b.held_out_low, b.held_out_high, b.held_out_p, b.reason,"
            " (SELECT count(*) FROM behaviours c WHERE c.trait = b.trait),"
            f" {self._since(5, 'c.effective, c.groups', 'NULL, NULL')}"
            " FROM best_layers b JOIN traits t USING (trait)"
            " LEFT JOIN correlations c USING (method, trait, prompt_set, layer)"
            " WHERE ($method::VARCHAR IS NULL OR b.method = $method)"
            " AND ($prompt_set::VARCHAR IS NULL OR b.prompt_set = $prompt_set)"
            " ORDER BY b.method, t.position, b.prompt_set",
            {"method": method, "prompt_set": prompt_set},
        )
        found = []
        for name, trait, of_set, layer, of_layers, p, null_95, *held, reason, n, worth, k in rows:
            r, low, high, held_p = held
            why = None if r is not None else reason or "undefined on halves of the scenarios"
            held_out = _estimate(r, low, high, held_p, n, why, HALVES, worth, k)
            found.append(
                BestLayerRow(name, trait, of_set, layer, of_layers, p, null_95, held_out, reason)
            )
        return tuple(found)

    def influences(self, trait: str, layer: int) -> dict[int, Estimate]:
        """Prompt id -> degrees by which the vector turns without the prompt; empty where it was
        not computed."""
        rows = self._rows(
            "SELECT prompt_id, degrees, reason FROM influences WHERE trait = ? AND layer = ?",
            [trait, layer],
        )
        return {
            prompt_id: _estimate(value, None, None, None, len(rows), reason)
            for prompt_id, value, reason in rows
        }

    def subsampling(self, trait: str, prompt_set: str, layer: int) -> tuple[SubsampleSize, ...]:
        """Vectors of one cell from fewer prompts, by their number."""
        return tuple(
            SubsampleSize(
                size,
                (cosine, cosine_low, cosine_high),
                stability,
                None if r is None else (r, r_low, r_high),
            )
            for size, cosine, cosine_low, cosine_high, stability, r, r_low, r_high in self._rows(
                "SELECT size, cosine, cosine_low, cosine_high, stability, r, r_low, r_high"
                " FROM subsampling WHERE trait = ? AND prompt_set = ? AND layer = ? ORDER BY size",
                [trait, prompt_set, layer],
            )
        )

    # -- prompts ---------------------------------------------------------------------------------

    def prompt_rows(self, trait: str, layer: int) -> tuple[PromptRow, ...]:
        """The prompts of a trait, of all sets, with what a layer makes of each, by id."""
        return tuple(
            PromptRow(*row)
            for row in self._rows(
                "SELECT p.prompt_id, p.pole, p.prompt_set, p.text, a.tokens, a.norm"
                " FROM prompts p JOIN prompt_activations a ON a.prompt_id = p.prompt_id"
                " AND a.layer = ? WHERE p.trait = ? ORDER BY p.prompt_id",
                [layer, trait],
            )
        )

    def trait_gram(self, trait: str, layer: int) -> Floats:
        """Inner products of the prompts of a trait, of all sets, under the identity, [n, n]."""
        return self._ordered_matrix(
            "SELECT prompt_id, products FROM gram WHERE metric = ? AND trait = ? AND layer = ?",
            [IDENTITY, trait, layer],
        )

    def gram(self, trait: str, layer: int, prompt_set: str) -> Floats:
        """Inner products of the prompts of one cell under the identity, [n, n], by prompt id."""
        every = self.trait_gram(trait, layer)
        members = self.members(trait, prompt_set)
        return every[np.ix_(members, members)] if len(every) else np.zeros((0, 0))

    def cell_products(
        self, metric: str, trait: str, prompt_set: str, layer: int | None = None
    ) -> tuple[CellProducts, ...]:
        """Inner products of the cells of one trait, by layer; none where the metric is missing.

        Args:
            metric: name of the inner product.
            trait: one of the run's traits.
            prompt_set: one of its prompt sets.
            layer: only this layer; None for all.
        """
        prompts = self.prompts(trait)
        count, members = len(prompts), self.members(trait, prompt_set)
        if not len(members):
            return ()
        key: list[object] = [metric, trait, layer, layer]
        where = "WHERE metric = ? AND trait = ? AND (?::INTEGER IS NULL OR layer = ?)"
        totals = self._rows(
            "SELECT layer, cases, y_square, rounding,"
            f" {self._since(5, 'effective, groups', 'cases, NULL')}"
            f" FROM moment_totals {where} ORDER BY layer",
            key,
        )
        place = "SELECT layer, prompt_id,"
        grams = self._ordered_matrix(f"{place} products FROM gram {where}", key)
        squares = self._ordered_matrix(f"{place} s FROM moments {where}", key)
        b = self._ordered_matrix(f"{place} [b] FROM moments {where}", key)
        high = np.array([prompt.pole == "high" for prompt in prompts])[members]
        ids = tuple(prompts[i].prompt_id for i in members)
        pairs = pair_numbers([prompts[i].pair for i in members])
        # All of them, as in most studies, are a view of what was read, not a copy.
        chosen = np.ix_(members, members) if len(members) < count else np.s_[:, :]
        cells = []
        for number, (at, *others) in enumerate(totals):
            rows = slice(number * count, (number + 1) * count)
            cases, y_square, rounding, effective, groups = others
            moments = Moments(
                squares[rows][chosen],
                b[rows, 0][members],
                y_square,
                cases,
                rounding,
                effective,
                groups,
            )
            cells.append(CellProducts(trait, at, ids, grams[rows][chosen], high, moments, pairs))
        return tuple(cells)

    def inner_product_titles(self) -> dict[str, str]:
        """Inner products that the run has -> title, by name."""
        return dict(
            self._rows(
                "SELECT metric, min(title) FROM inner_products GROUP BY metric ORDER BY metric"
            )
        )

    def inner_product_note(self, metric: str, trait: str, layer: int) -> str:
        """What an inner product did at one cell, such as which coordinates are massive; empty
        where there is none."""
        rows = self._rows(
            "SELECT note FROM inner_products WHERE metric = ? AND layer = ?"
            " AND (trait IS NULL OR trait = ?)",
            [metric, layer, trait],
        )
        return str(rows[0][0]) if rows else ""

    def mean_norm(self, trait: str, prompt_set: str, layer: int) -> float | None:
        """Mean norm of the prompts of one cell, activation units; None without prompts."""
        found: float | None = self._rows(
            "SELECT avg(norm) FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE trait = ? AND prompt_set = ? AND layer = ?",
            [trait, prompt_set, layer],
        )[0][0]
        return found

    def text_norm(self, layer: int) -> float | None:
        """Mean norm of the activations of all texts at a layer; None where it was not extracted."""
        found: float | None = self._rows(
            "SELECT avg(norm) FROM (SELECT norm FROM prompt_activations WHERE layer = $layer"
            " UNION ALL SELECT norm FROM response_activations WHERE layer = $layer)",
            {"layer": layer},
        )[0][0]
        return found

    def first_tokens(self, trait: str, prompt_set: str, layer: int) -> PromptFirstTokens:
        """What was recorded of the first token of the prompts of one cell."""
        columns = self._since(3, "first_norm, first_share", "NULL, NULL")
        rows = self._rows(
            f"SELECT tokens, {columns} FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE trait = ? AND prompt_set = ? AND layer = ? ORDER BY prompt_id",
            [trait, prompt_set, layer],
        )
        tokens, norms, shares = np.array(rows, np.float64).reshape(-1, 3).T
        pooling = self.record.pooling
        if np.isnan(norms).all():
            return PromptFirstTokens(pooling, tokens, None, None)
        share = self._rows(
            "SELECT median(first_share) FROM response_activations WHERE layer = ?", [layer]
        )[0][0]
        return PromptFirstTokens(pooling, tokens, FirstTokens(norms, shares), share)

    # -- cases -----------------------------------------------------------------------------------

    def scored_cases(self, trait: str) -> ScoredCases:
        """The cases of one trait that enter r, by case id; empty without scored responses."""
        rows = self._rows(
            # A text has as many tokens at every layer.
            "WITH lengths AS (SELECT response_id, tokens FROM response_activations"
            " WHERE layer = (SELECT min(layer) FROM response_activations))"
            " SELECT c.scenario, c.responder, c.first_response, c.last_response, f.score, l.score,"
            f" c.value, b.tokens, a.tokens, {self._group_of('c')} FROM behaviours c"
            " LEFT JOIN scores f ON f.response_id = c.first_response AND f.trait = c.trait"
            " JOIN scores l ON l.response_id = c.last_response AND l.trait = c.trait"
            " LEFT JOIN lengths b ON b.response_id = c.first_response"
            " JOIN lengths a ON a.response_id = c.last_response"
            " WHERE c.trait = ? ORDER BY c.case_id",
            [trait],
        )
        if not rows:
            return ScoredCases.none()
        scenarios, responders, firsts, lasts, *columns, groups = zip(*rows, strict=True)
        first, last, behaviour, before, after = (np.array(part, np.float64) for part in columns)
        levels = firsts[0] is None
        return ScoredCases(
            scenarios=scenarios,
            responders=responders,
            groups=groups,
            first_response=None if levels else np.array(firsts, np.intp),
            last_response=np.array(lasts, np.intp),
            first=None if levels else first,
            last=last,
            behaviour=behaviour,
            length=after if levels else after - before,
            # No text has no token.
            length_known=bool(after.any()),
        )

    def turn_values(self, method: str, trait: str, prompt_set: str, layer: int) -> TurnValues:
        """Scores and projections of every response that has a turn; see :class:`TurnValues`.

        Args:
            method: how the vector was built.
            trait: one of the run's traits.
            prompt_set: which prompts the vector was built from.
            layer: one of its layers.
        """
        rows = self._rows(
            "SELECT r.response_id, r.scenario, r.responder,"
            f" coalesce({self._since(5, 'r.group_name', 'NULL')}, r.scenario), r.turn,"
            " s.score, p.projection FROM responses r"
            " LEFT JOIN scores s ON s.response_id = r.response_id AND s.trait = $trait"
            " LEFT JOIN projections p ON p.response_id = r.response_id AND p.trait = $trait"
            " AND p.method = $method AND p.prompt_set = $prompt_set AND p.layer = $layer"
            " WHERE r.turn IS NOT NULL",
            {"method": method, "trait": trait, "prompt_set": prompt_set, "layer": layer},
        )
        rows.sort(key=lambda row: (row[1], row[2], turn_order(row[4])))
        numbers, scenarios, responders, groups, turns, scores, projections = (
            zip(*rows, strict=True) if rows else ((),) * 7
        )
        return TurnValues(
            np.array(numbers, np.intp),
            scenarios,
            responders,
            groups,
            turns,
            np.array(scores, np.float64),
            np.array(projections, np.float64),
        )

    def repeated_scores(self, trait: str) -> RepeatedScores:
        """The cases of one trait all of whose responses were scored several times; none in a run
        of a format before it was kept."""
        nothing = RepeatedScores(np.zeros((0, 0)), (), False)
        if self.format < 5:
            return nothing
        rows = self._rows(
            "WITH repeats AS (SELECT response_id, list(score ORDER BY repeat) AS scores"
            " FROM repeated_scores WHERE trait = $trait GROUP BY response_id)"
            " SELECT b.responder, f.scores, l.scores FROM behaviours b"
            " JOIN repeats l ON l.response_id = b.last_response"
            " LEFT JOIN repeats f ON f.response_id = b.first_response"
            " WHERE b.trait = $trait AND (b.first_response IS NULL OR f.scores IS NOT NULL)"
            " ORDER BY b.case_id",
            {"trait": trait},
        )
        if not rows:
            return nothing
        k = min(len(scores) for _, *turns in rows for scores in turns if scores is not None)
        last = np.array([scores[:k] for _, _, scores in rows], np.float64)
        if rows[0][1] is not None:
            last = last - np.array([scores[:k] for _, scores, _ in rows], np.float64)
        count = self._rows("SELECT count(*) FROM behaviours WHERE trait = ?", [trait])[0][0]
        return RepeatedScores(last, tuple(row[0] for row in rows), len(rows) == count)

    def _group_of(self, table: str) -> str:
        """SQL for what makes the cases of a table dependent."""
        return self._since(5, f"{table}.group_name", f"{table}.scenario")

    def case_texts(self) -> dict[str, CaseTexts]:
        """The cases of every trait that has any, with a digest of the texts of each, in the order
        of every drift of the run."""
        rows = self._rows(
            "WITH digests AS (SELECT response_id, turn, md5(messages || chr(0) || text) AS digest"
            " FROM responses) SELECT b.trait, b.scenario, b.responder, coalesce(l.turn, ''),"
            f" coalesce(f.digest, '') || l.digest, b.value, {self._group_of('b')}"
            " FROM behaviours b"
            " JOIN digests l ON l.response_id = b.last_response"
            " LEFT JOIN digests f ON f.response_id = b.first_response ORDER BY b.trait, b.case_id"
        )
        by_trait: dict[str, list[tuple[tuple[str, str, str], str, float, str]]] = {}
        for trait, scenario, responder, turn, digest, value, group in rows:
            case = (scenario, responder, turn)
            by_trait.setdefault(trait, []).append((case, digest, value, group))
        return {
            trait: CaseTexts(
                cases=tuple(case for case, *_ in found),
                groups=tuple(group for *_, group in found),
                texts=tuple(digest for _, digest, *_ in found),
                behaviour=np.array([value for _, _, value, _ in found]),
            )
            for trait, found in by_trait.items()
        }

    def scenario_pairs(self) -> frozenset[tuple[str, str]]:
        """(trait, scenario) of every case."""
        return frozenset(self._rows("SELECT DISTINCT trait, scenario FROM behaviours"))

    def drifts(
        self, method: str | None = None, trait: str | None = None, layer: int | None = None
    ) -> dict[DriftKey, Drifts]:
        """Projection drifts (or levels) of all cases, by layer, beside the cases' behaviour.

        Args:
            method: only this method; None for all.
            trait: only this trait; None for all.
            layer: only this layer; None for all.

        Returns:
            (method, trait, prompt set) -> (layer -> drift of each case by case id, behaviour of
            each case); both empty where the method has no vector.
        """
        only = {"method": method, "trait": trait}
        found: dict[DriftKey, Drifts] = {
            (row[0], row[1], row[2]): ({}, np.zeros(0))
            for row in self._rows(
                "SELECT DISTINCT method, trait, prompt_set FROM correlations"
                " WHERE ($method IS NULL OR method = $method)"
                " AND ($trait IS NULL OR trait = $trait) ORDER BY ALL",
                only,
            )
        }
        rows = self._rows(
            "SELECT l.method, l.trait, l.prompt_set, l.layer,"
            " list(l.projection - coalesce(f.projection, 0) ORDER BY b.case_id),"
            " list(b.value ORDER BY b.case_id) FROM behaviours b"
            " JOIN projections l ON l.trait = b.trait AND l.response_id = b.last_response"
            " LEFT JOIN projections f ON f.trait = b.trait AND f.response_id = b.first_response"
            " AND f.method = l.method AND f.prompt_set = l.prompt_set AND f.layer = l.layer"
            " WHERE ($method IS NULL OR l.method = $method)"
            " AND ($trait IS NULL OR l.trait = $trait)"
            " AND ($layer IS NULL OR l.layer = $layer) GROUP BY ALL ORDER BY ALL",
            only | {"layer": layer},
        )
        for name, of_trait, of_set, at, drift, values in rows:
            layers, _ = found[name, of_trait, of_set]
            layers[at] = np.array(drift)
            found[name, of_trait, of_set] = (layers, np.array(values))
        return found

    def product_cases(self, metric: str, trait: str, prompt_set: str, layer: int) -> ProductCases:
        """The cases of one cell as products of prompts and responses; see :class:`ProductCases`."""
        cases = self.scored_cases(trait)
        products = self.response_products(metric, trait, prompt_set, layer)
        if not len(cases.behaviour) or not len(products):
            return ProductCases(np.zeros((0, products.shape[1])), ScoredCases.none())
        return ProductCases(cases.drift_of(products), cases)

    def response_products(self, metric: str, trait: str, prompt_set: str, layer: int) -> Floats:
        """RMP' of one cell: each response with each prompt of the set, [responses, n], by id; no
        rows where the cell lacks the inner product."""
        members = self.members(trait, prompt_set)
        alignment = self._matrix(
            "SELECT products FROM alignment WHERE metric = ? AND trait = ? AND layer = ?"
            " ORDER BY response_id",
            [metric, trait, layer],
        )
        return alignment[:, members] if len(alignment) else np.zeros((0, len(members)))

    # -- activations and vectors -----------------------------------------------------------------

    def activations(self, kind: TextKind, layer: int, start: int, stop: int) -> np.ndarray:
        """Activations of the texts with ids start <= id < stop, [texts, d] float32, by id.

        Args:
            kind: prompt or response.
            layer: one of the run's layers.
            start: first id.
            stop: id after the last.
        """
        matrix = ordered_matrix_of(
            self._connection,
            f"SELECT {kind}_id, activation FROM {kind}_activations"
            f" WHERE layer = ? AND {kind}_id >= ? AND {kind}_id < ?",
            [layer, start, stop],
        )
        return matrix.astype(np.float32, copy=False)

    def some_activations(self, kind: TextKind, layer: int, ids: Sequence[int]) -> Floats:
        """Activations of some texts, [texts, d], by id; ids the run has not are left out.

        Args:
            kind: prompt or response.
            layer: one of the run's layers.
            ids: of the wanted texts.
        """
        return self._ordered_matrix(
            f"SELECT {kind}_id, activation FROM {kind}_activations"
            f" WHERE layer = ? AND list_contains(?::INTEGER[], {kind}_id)",
            [layer, list(ids)],
        )

    def scored_texts(
        self, trait: str, ids: Sequence[int], characters: int
    ) -> tuple[ScoredText, ...]:
        """Some responses with their scores of a trait, by id; ids the study has not are left out.

        Args:
            trait: the trait.
            ids: of the wanted responses.
            characters: how much of each text.
        """
        return tuple(
            ScoredText(*row)
            for row in self._rows(
                "SELECT r.response_id, r.scenario, r.turn, r.responder,"
                " left(r.text, $characters), length(r.text) > $characters, s.score"
                " FROM responses r LEFT JOIN scores s"
                " ON s.response_id = r.response_id AND s.trait = $trait"
                " WHERE list_contains($ids::INTEGER[], r.response_id) ORDER BY r.response_id",
                {"characters": characters, "trait": trait, "ids": list(ids)},
            )
        )

    def prompt_activations(self, layer: int) -> Floats:
        """Activations of all prompts at a layer, [n, d], by id."""
        prompts, _ = self.text_counts
        return self.activations("prompt", layer, 0, prompts).astype(np.float64)

    def response_chunks(self, layer: int) -> Iterator[Floats]:
        """Activations of all responses at a layer in chunks of rows, by id."""
        return (part.astype(np.float64) for part in self.stored_response_chunks(layer))

    def stored_response_chunks(self, layer: int) -> Iterator[np.ndarray]:
        """The same as they are stored, in float32."""
        _, count = self.text_counts
        for start in range(0, count, CHUNK):
            yield self.activations("response", layer, start, min(start + CHUNK, count))

    def methods(self) -> tuple[str, ...]:
        """Vector methods that were computed, by name, also where all were refused."""
        return tuple(
            name for (name,) in self._rows("SELECT DISTINCT method FROM correlations ORDER BY 1")
        )

    def metric_names(self) -> frozenset[str]:
        """Metrics of prompts that were computed, by name, also where they are undefined."""
        return frozenset(name for (name,) in self._rows("SELECT DISTINCT name FROM metrics"))

    def methods_with_vectors(self) -> frozenset[str]:
        """Vector methods that have at least one vector."""
        return frozenset(name for (name,) in self._rows("SELECT DISTINCT method FROM vectors"))

    def vectors(
        self, prompt_set: str, wanted: Sequence[tuple[str, str, int]]
    ) -> tuple[StoredVector, ...]:
        """Vectors of some (trait, method, layer), in that order; those that are missing are left
        out."""
        # Lists unnested side by side are a table of the wanted cells, in order.
        source = (
            " FROM (SELECT unnest(?::VARCHAR[]) AS t, unnest(?::VARCHAR[]) AS m,"
            " unnest(?::INTEGER[]) AS l, unnest(?::INTEGER[]) AS place) w"
            " JOIN vectors v ON v.trait = w.t AND v.method = w.m AND v.layer = w.l"
            " AND v.prompt_set = ?"
        )
        columns = [[cell[part] for cell in wanted] for part in range(3)]
        parameters: list[object] = [*columns, list(range(len(wanted))), prompt_set]
        matrix = self._matrix("SELECT v.vector" + source + " ORDER BY w.place", parameters)
        rows = self._rows(
            "SELECT v.trait, v.method, v.layer, c.r, c.low, c.high, c.p, coalesce(c.n, 0),"
            f" c.reason, {self._since(5, 'c.effective, c.groups', 'NULL, NULL')}"
            + source
            + " LEFT JOIN correlations c ON c.trait = v.trait AND c.method = v.method"
            " AND c.layer = v.layer AND c.prompt_set = v.prompt_set ORDER BY w.place",
            parameters,
        )
        return tuple(
            StoredVector(trait, method, layer, values, _correlation(*stored))
            for (trait, method, layer, *stored), values in zip(rows, matrix, strict=True)
        )

    # -- deriving --------------------------------------------------------------------------------

    def derived_layers(self) -> frozenset[int]:
        """Layers whose derived rows are there, of all traits."""
        return frozenset(
            layer
            for (layer,) in self._rows(
                "SELECT layer FROM moment_totals GROUP BY layer"
                " HAVING count(DISTINCT trait) = (SELECT count(*) FROM traits)"
            )
        )

    def derived_traits(self) -> dict[int, frozenset[str]]:
        """Layer -> traits whose derived rows are there; only layers that have some."""
        found: dict[int, set[str]] = {}
        for layer, trait in self._rows("SELECT DISTINCT layer, trait FROM moment_totals"):
            found.setdefault(layer, set()).add(trait)
        return {layer: frozenset(traits) for layer, traits in found.items()}

    def derivation_ended(self) -> bool:
        """Whether all derived tables are complete."""
        return bool(self._rows("SELECT count(*) > 0 FROM derivations WHERE made_at <> ''")[0][0])

    def traits_without_best_layer(self) -> frozenset[str]:
        """Traits of which the best layer of some vector is not there."""
        rows = self._rows(
            "SELECT DISTINCT trait FROM (SELECT method, trait, prompt_set FROM correlations"
            " EXCEPT SELECT method, trait, prompt_set FROM best_layers)"
        )
        return frozenset(trait for (trait,) in rows)

    def kept_methods(
        self, traits: Sequence[str], layers: Sequence[int], methods: Sequence[str]
    ) -> dict[tuple[str, str, int], KeptMethod]:
        """(method, trait, layer) -> what is stored of methods that were fitted to responses, which
        is the same for every prompt set; only where there are rows.

        Args:
            traits: some traits.
            layers: some layers.
            methods: names of such methods.
        """
        rows = self._rows(
            "SELECT method, trait, layer, min(prompt_set), arg_min(struct_pack(reason), prompt_set)"
            " FROM correlations WHERE list_contains(?::VARCHAR[], trait)"
            " AND list_contains(?::INTEGER[], layer) AND list_contains(?::VARCHAR[], method)"
            " GROUP BY ALL ORDER BY ALL",
            [list(traits), list(layers), list(methods)],
        )
        if not rows:
            return {}
        names = ("method", "trait", "layer", "prompt_set")
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        chosen = pa.table(columns | {"place": list(range(len(rows)))})
        self._connection.register("chosen", chosen)
        try:
            joined = f"JOIN chosen c USING ({', '.join(names)})"
            vectors = dict(self._rows(f"SELECT c.place, v.vector FROM vectors v {joined}"))
            known = self._connection.execute(
                "SELECT c.place, p.response_id, p.projection FROM projections p " + joined
            ).fetchnumpy()
        finally:
            self._connection.unregister("chosen")
        _, count = self.text_counts
        projections = np.full((len(rows), count), np.nan)
        projections[known["place"], known["response_id"]] = known["projection"]
        return {
            (method, trait, layer): KeptMethod(
                None if place not in vectors else np.array(vectors[place]),
                projections[place],
                kept["reason"],
            )
            for place, (method, trait, layer, _, kept) in enumerate(rows)
        }


def _estimate(
    value: float | None,
    low: float | None,
    high: float | None,
    p: float | None,
    n: int,
    reason: str | None,
    interval_method: str | None = None,
    effective: float | None = None,
    groups: int | None = None,
) -> Estimate:
    """An estimate from stored columns."""
    why = reason or ("its reason was not recorded" if value is None else None)
    method = None if low is None else interval_method
    return Estimate(value, low, high, p, n, why, method, effective, groups)


def _correlation(
    r: float | None,
    low: float | None,
    high: float | None,
    p: float | None,
    n: int,
    reason: str | None,
    effective: float | None,
    groups: int | None,
) -> Estimate:
    """A correlation from stored columns."""
    method = FISHER_Z if groups is None else GROUPED_Z
    return _estimate(r, low, high, p, n, reason, method, effective, groups)
