"""What the runs of one study hold for the study's ten tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Finding
from backend.core.study_cell import CellRow
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.connection import Connection
from backend.store.drifts import read_drifts
from backend.store.run_values import RunSummary
from backend.views.study_tests.layers import Sweep
from backend.views.study_tests.prompt_sets import PromptSetR
from backend.views.study_tests.tests import Evidence, study_findings
from backend.views.transfer.matching import Reading, transfer_case
from backend.views.transfer.model_cases import (
    TraitCases,
    behaviours,
    read_trait_cases,
    responder_names,
    run_names,
)
from backend.views.transfer.transfers import TransferCase

METRICS = (
    "separation",
    "high_within_variance",
    "low_within_variance",
    "high_cosine",
    "low_cosine",
    "snr",
    "high_spread",
    "low_spread",
)


def findings_of_study(
    settings: Settings, run_ids: Sequence[str], prompt_set: str
) -> tuple[Finding, ...]:
    """The study's ten tests over some runs of one study.

    Args:
        settings: where the store is, and the thresholds of a status.
        run_ids: the runs, one per model.
        prompt_set: which prompts the vectors are built from.

    Raises:
        RunNotFound, UnreadableFile: a run cannot be read.
        StoreError: no runs, or runs of different studies.
    """
    return study_findings(read_evidence(settings, run_ids, prompt_set), settings.thresholds)


def read_evidence(settings: Settings, run_ids: Sequence[str], prompt_set: str) -> Evidence:
    """Gather the evidence; arguments and errors as for :func:`findings_of_study`."""
    runs = [run_summary(settings, run_id) for run_id in run_ids]
    studies = sorted({run.study_key for run in runs})
    if len(studies) != 1:
        raise StoreError(
            f"The tests got {len(runs)} runs of {len(studies)} studies: {', '.join(studies)}.",
            expected="at least one run, and all of the same study.",
            remedy="choose runs of one study.",
        )
    names = run_names(runs)
    parts = []
    for run, name in zip(runs, names, strict=True):
        with reading_run(settings, run.record.run_id) as connection:
            parts.append(_read_run(connection, run, name, prompt_set))
    with reading_run(settings, run_ids[0]) as connection:
        scores, score_range = read_scores(connection)
        cases = read_trait_cases(connection)
    return Evidence(
        cells=tuple(cell for part in parts for cell in part.cells),
        widths={n: run.record.width for n, run in zip(names, runs, strict=True)},
        sweeps=tuple(sweep for part in parts for sweep in part.sweeps),
        prompt_set_rs=tuple(r for part in parts for r in part.prompt_set_rs),
        prompt_set=prompt_set,
        transfer_cases=_transfers(parts, cases),
        scores=scores,
        score_range=score_range,
        behaviours=behaviours([cases]),
    )


@dataclass(frozen=True)
class _Run:
    """What one run adds. ``drifts``: trait -> drift of each case at the best layer."""

    name: str
    responders: tuple[str, ...]
    cells: tuple[CellRow, ...]
    sweeps: tuple[Sweep, ...]
    prompt_set_rs: tuple[PromptSetR, ...]
    drifts: dict[str, Floats]


def _read_run(connection: Connection, run: RunSummary, name: str, prompt_set: str) -> _Run:
    drifts = read_drifts(connection, MEAN_DIFFERENCE)
    middle = run.record.layers[len(run.record.layers) // 2]
    best = {
        (trait, own_set): row
        for trait, own_set, *row in connection.execute(
            "SELECT trait, prompt_set, layer, p, held_out_r, held_out_low, held_out_high,"
            " held_out_p, reason FROM best_layers WHERE method = ?",
            [MEAN_DIFFERENCE],
        ).fetchall()
    }
    rs: dict[str, dict[int, float | None]] = {}
    for trait, layer, r in connection.execute(
        "SELECT trait, layer, r FROM correlations WHERE method = ? AND prompt_set = ?"
        " ORDER BY layer",
        [MEAN_DIFFERENCE, prompt_set],
    ).fetchall():
        rs.setdefault(trait, {})[layer] = r
    cells, sweeps, at_best = [], [], {}
    for trait in run.traits:
        if (trait, prompt_set) not in best:
            continue
        layer, p, held_r, held_low, held_high, held_p, reason = best[trait, prompt_set]
        by_layer, values = drifts[MEAN_DIFFERENCE, trait, prompt_set]
        held = Estimate(held_r, held_low, held_high, held_p, len(values), reason)
        sweeps.append(Sweep(name, trait, rs[trait], layer, p, held))
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        shown = middle if layer is None else layer
        cells.append(_cell(connection, name, trait, prompt_set, shown, rs[trait][shown], sd))
        if layer is not None:
            at_best[trait] = by_layer[layer]
    prompt_set_rs = tuple(
        PromptSetR(name, *row)
        for row in connection.execute(
            "SELECT trait, prompt_set, max(r) FROM correlations WHERE method = ?"
            " GROUP BY ALL ORDER BY ALL",
            [MEAN_DIFFERENCE],
        ).fetchall()
    )
    return _Run(name, responder_names(run), tuple(cells), tuple(sweeps), prompt_set_rs, at_best)


def _cell(
    connection: Connection,
    model: str,
    trait: str,
    prompt_set: str,
    layer: int,
    r: float | None,
    behaviour_sd: float | None,
) -> CellRow:
    where = "trait = ? AND prompt_set = ? AND layer = ?"
    key = [trait, prompt_set, layer]
    metrics = dict(
        connection.execute(f"SELECT name, value FROM metrics WHERE {where}", key).fetchall()
    )
    rho = connection.execute(
        f"SELECT rho FROM correlations WHERE {where} AND method = ?", [*key, MEAN_DIFFERENCE]
    ).fetchall()[0][0]
    norm = connection.execute(
        f"SELECT avg(norm) FROM prompt_activations JOIN prompts USING (prompt_id) WHERE {where}",
        key,
    ).fetchall()[0][0]
    value = {name: metrics[name] for name in METRICS}
    high, low = value.pop("high_spread"), value.pop("low_spread")
    spread = None if high is None or low is None else (high + low) / 2
    return CellRow(
        model=model,
        trait=trait,
        layer=layer,
        r=r,
        rho=rho,
        behaviour_sd=behaviour_sd,
        spread=spread,
        norm=norm,
        **value,
    )


def read_scores(
    connection: Connection,
) -> tuple[dict[tuple[str, str], Floats], tuple[float, float]]:
    """(responder, trait) -> all its scores, and the lowest and highest allowed score."""
    low, high = connection.execute("SELECT score_low, score_high FROM study").fetchall()[0]
    rows = connection.execute(
        "SELECT responder, trait, list(score ORDER BY response_id) FROM scores"
        " JOIN responses USING (response_id) JOIN traits USING (trait)"
        " GROUP BY responder, trait, position ORDER BY responder, position"
    ).fetchall()
    return {(who, trait): np.array(scores) for who, trait, scores in rows}, (low, high)


def _transfers(parts: Sequence[_Run], cases: Mapping[str, TraitCases]) -> tuple[TransferCase, ...]:
    """Every ordered pair of runs on every trait both have r for."""
    return tuple(
        transfer_case(_reading(other, trait, cases), _reading(own, trait, cases))
        for own, other in permutations(parts, 2)
        for trait in own.drifts
        if trait in other.drifts
    )


def _reading(run: _Run, trait: str, cases: Mapping[str, TraitCases]) -> Reading:
    found = cases[trait]
    return Reading(
        trait,
        run.name,
        run.responders,
        found.cases,
        found.texts,
        run.drifts[trait],
        found.behaviour,
    )
