"""The answer of a view in a few sentences: which traits work, which fail and why, and how sure."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.settings import StatusThresholds
from backend.store.catalog import run_names
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.diagnosis.words import gain_sentence, r_sentence, stronger_fix
from backend.views.scorecard import words
from backend.views.scorecard.compute import Scorecard, scorecard
from backend.views.shared.blocks import Text
from backend.views.shared.numbers import r_text
from backend.views.shared.view import View


def answer(results: Results, view: View) -> Sequence[Text]:
    """The sentences that a report begins with.

    Args:
        results: what they are computed from.
        view: which runs are counted, and which cells are told one by one.
    """
    limits = results.thresholds
    card = results.of_runs(scorecard, view.run_ids, view.prompt_set, view.layer, limits)
    names = dict(zip(view.run_ids, run_names(view.runs), strict=True))
    said = [Text(words.answer(card, view.runs, list(names.values())), "strong")]
    for run in view.shown:
        name = names[run.run_id]
        # Trait by trait, as the section on causes asks for the same.
        found = [
            results.of_run(
                diagnose_run,
                run.run_id,
                view.prompt_set,
                trait,
                view.layer,
                limits,
                results.steering(run.run_id),
            )[0]
            for trait in view.traits
            if (run.run_id, trait) in card.cells
        ]
        alone = len(view.shown) == len(view.traits) == 1
        said += [Text(_one_cell(cell, name)) for cell in found] if alone else _failing(found, name)
    sure = how_sure(card, limits)
    if sure is not None:
        said.append(Text(sure if view.layer is not None else f"{sure} {words.BEST_LAYER}", "note"))
    return said


def how_sure(card: Scorecard, limits: StatusThresholds) -> str | None:
    """In how many cells the status could be another; None where no r has an interval.

    Args:
        card: the numbers.
        limits: where a status begins.
    """
    known = [
        (r.low, r.high)
        for r in (cell.correlation for cell in card.cells.values())
        if r.low is not None and r.high is not None
    ]
    if not known:
        return None
    ends = (limits.close, limits.working)
    crossing = sum(any(low <= at <= high for at in ends) for low, high in known)
    return (
        f"In {crossing} of {len(known)} cells the 95% interval of r crosses a threshold: there the "
        "status could also be the neighbouring one."
    )


def _one_cell(found: Diagnosis, name: str) -> str:
    said = f"{_title(found.trait)} on {name}: {found.headline} {r_sentence(found.r, 2)}"
    for judgement in found.told[:1]:
        if judgement.fix is not None:
            said += f" Fix: {judgement.fix.label}; gain in r {gain_sentence(judgement.fix.gain)}."
    if stronger := stronger_fix(found):
        said += f" {stronger}"
    return said


def _failing(found: Sequence[Diagnosis], name: str) -> list[Text]:
    """The cells of a run that do not work, a line each, with their causes."""
    return [
        Text(
            f"Not working on {name}: {_title(cell.trait)}, r = {r_text(cell.r, count=False)}. "
            f"{cell.line}."
        )
        for cell in found
        if not cell.works
    ]


def _title(trait: str) -> str:
    return trait.replace("_", " ")
