"""What the runs of one study hold for the study's ten tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from backend.core.arrays import Floats
from backend.core.study_cell import StudyCell
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.store.catalog import run_names
from backend.store.run import Run
from backend.store.run_values import CaseTexts, CellResult
from backend.views.study_tests.study_test import LayerSweep, PromptSetR, StudyEvidence
from backend.views.transfer.agreement import behaviours, groups_of
from backend.views.transfer.matching import transfer_case
from backend.views.transfer.model_projections import ModelProjections, responder_names
from backend.views.transfer.transfers import TransferCase


def study_evidence(runs: Sequence[Run], prompt_set: str) -> StudyEvidence:
    """Gather what some runs of one study hold.

    Args:
        runs: one per model.
        prompt_set: which prompts the vectors are built from.

    Raises:
        StoreError: no runs, or runs of different studies.
    """
    names = _model_names(runs)
    parts = [_read_run(run, name, prompt_set) for run, name in zip(runs, names, strict=True)]
    # The scored responses are the study's, so every run has the same.
    cases = runs[0].case_texts()
    return StudyEvidence(
        cells=tuple(cell for part in parts for cell in part.cells),
        widths={name: run.record.width for run, name in zip(runs, names, strict=True)},
        sweeps=tuple(sweep for part in parts for sweep in part.sweeps),
        prompt_set_rs=tuple(r for part in parts for r in part.prompt_set_rs),
        prompt_set=prompt_set,
        transfer_cases=_transfer_cases(parts, cases),
        scores=runs[0].scores(),
        score_range=runs[0].score_range,
        behaviours=behaviours([cases]),
        groups=groups_of([cases]),
    )


def study_cells(runs: Sequence[Run], prompt_set: str) -> tuple[StudyCell, ...]:
    """The cells alone; arguments and errors as for :func:`study_evidence`."""
    return tuple(
        cell
        for run, name in zip(runs, _model_names(runs), strict=True)
        for cell in _read_run(run, name, prompt_set).cells
    )


@dataclass(frozen=True, eq=False)
class _RunEvidence:
    """What one run adds. ``drifts``: trait -> drift of each case at the best layer."""

    name: str
    responders: tuple[str, ...]
    cells: tuple[StudyCell, ...]
    sweeps: tuple[LayerSweep, ...]
    prompt_set_rs: tuple[PromptSetR, ...]
    drifts: dict[str, Floats]


def _model_names(runs: Sequence[Run]) -> list[str]:
    summaries = [run.summary() for run in runs]
    studies = sorted({summary.study_key for summary in summaries})
    if len(studies) != 1:
        raise StoreError(
            f"The tests got {len(runs)} runs of {len(studies)} studies: {', '.join(studies)}.",
            expected="at least one run, and all of the same study.",
            remedy="choose runs of one study.",
        )
    return run_names(summaries)


def _read_run(run: Run, name: str, prompt_set: str) -> _RunEvidence:
    summary = run.summary()
    by_trait: dict[str, dict[int, CellResult]] = {}
    for found in run.cells(prompt_set=prompt_set):
        by_trait.setdefault(found.key.trait, {})[found.key.layer] = found
    drifts = run.drifts(MEAN_DIFFERENCE)
    cells, sweeps, at_best = [], [], {}
    for best in run.best_layers(MEAN_DIFFERENCE, prompt_set):
        trait, layers = best.trait, by_trait[best.trait]
        by_layer, values = drifts[MEAN_DIFFERENCE, trait, prompt_set]
        rs = {layer: found.correlation.value for layer, found in layers.items()}
        sweeps.append(LayerSweep(name, trait, rs, best.layer, best.p, best.held_out))
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        shown = layers[summary.middle_layer if best.layer is None else best.layer]
        cells.append(_cell(run, name, shown, sd))
        if best.layer is not None:
            at_best[trait] = by_layer[best.layer]
    return _RunEvidence(
        name,
        responder_names(summary),
        tuple(cells),
        tuple(sweeps),
        _prompt_sets(run, name),
        at_best,
    )


def _prompt_sets(run: Run, name: str) -> tuple[PromptSetR, ...]:
    """The highest r of every trait and prompt set."""
    rs: dict[tuple[str, str], list[float]] = {}
    for row in run.correlations(MEAN_DIFFERENCE):
        found = rs.setdefault((row.trait, row.prompt_set), [])
        if row.correlation.value is not None:
            found.append(row.correlation.value)
    return tuple(PromptSetR(name, *key, max(rs[key], default=None)) for key in sorted(rs))


def _cell(run: Run, model: str, found: CellResult, behaviour_sd: float | None) -> StudyCell:
    value = {name: metric.value for name, metric in found.metrics.items()}
    high, low = value["high_spread"], value["low_spread"]
    return StudyCell(
        model=model,
        trait=found.key.trait,
        layer=found.key.layer,
        r=found.correlation.value,
        separation=value["separation"],
        high_within_variance=value["high_within_variance"],
        low_within_variance=value["low_within_variance"],
        high_cosine=value["high_cosine"],
        low_cosine=value["low_cosine"],
        snr=value["snr"],
        rho=found.rank.value,
        behaviour_sd=behaviour_sd,
        spread=None if high is None or low is None else (high + low) / 2,
        norm=run.mean_norm(found.key.trait, found.key.prompt_set, found.key.layer),
    )


def _transfer_cases(
    parts: Sequence[_RunEvidence], cases: Mapping[str, CaseTexts]
) -> tuple[TransferCase, ...]:
    """Every ordered pair of runs on every trait both have r for."""
    return tuple(
        transfer_case(_projections(other, trait, cases), _projections(own, trait, cases))
        for own, other in permutations(parts, 2)
        for trait in own.drifts
        if trait in other.drifts
    )


def _projections(run: _RunEvidence, trait: str, cases: Mapping[str, CaseTexts]) -> ModelProjections:
    return ModelProjections(trait, run.name, run.responders, cases[trait], run.drifts[trait])
