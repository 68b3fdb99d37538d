"""What the models of some runs make of the same cases: the material of comparisons of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.store.connection import Connection
from backend.store.run_values import RunSummary
from backend.views.transfer.matching import Case


@dataclass(frozen=True)
class TraitCases:
    """The cases of one trait, in the order of every drift of the run.

    Attributes:
        cases: scenario, responder and turn.
        texts: digest of the texts of each case, conversation included.
        behaviour: score drift (or level), [n].
    """

    cases: tuple[Case, ...]
    texts: tuple[str, ...]
    behaviour: Floats


def read_trait_cases(connection: Connection) -> dict[str, TraitCases]:
    """The cases of every trait of an open run that has any."""
    rows = connection.execute(
        "WITH digests AS (SELECT response_id, turn, md5(messages || chr(0) || text) AS digest"
        " FROM responses) SELECT b.trait, b.scenario, b.responder, coalesce(l.turn, ''),"
        " coalesce(f.digest, '') || l.digest, b.value FROM behaviours b"
        " JOIN digests l ON l.response_id = b.last_response"
        " LEFT JOIN digests f ON f.response_id = b.first_response ORDER BY b.trait, b.case_id"
    ).fetchall()
    by_trait: dict[str, list[tuple[Case, str, float]]] = {}
    for trait, scenario, responder, turn, digest, value in rows:
        by_trait.setdefault(trait, []).append(((scenario, responder, turn), digest, value))
    return {
        trait: TraitCases(
            cases=tuple(case for case, _, _ in found),
            texts=tuple(digest for _, digest, _ in found),
            behaviour=np.array([value for _, _, value in found]),
        )
        for trait, found in by_trait.items()
    }


def behaviours(
    runs: Sequence[Mapping[str, TraitCases]],
) -> dict[str, dict[str, dict[str, float]]]:
    """Trait -> responder -> scenario -> behaviour, over the cases of some runs.

    Args:
        runs: the cases of each; where two studies score one responder on one scenario, the
            first counts.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for run in runs:
        for trait, own in run.items():
            for (scenario, responder, _), value in zip(own.cases, own.behaviour, strict=True):
                of_responder = found.setdefault(trait, {}).setdefault(responder, {})
                of_responder.setdefault(scenario, float(value))
    return found


def run_names(runs: Sequence[RunSummary]) -> list[str]:
    """The runs' short labels, with the run's id where two runs share one."""
    counts = Counter(run.label for run in runs)
    return [
        run.label if counts[run.label] == 1 else f"{run.label} ({run.record.run_id})"
        for run in runs
    ]


def responder_names(run: RunSummary) -> tuple[str, ...]:
    """Names under which a study may list the run's model as a responder."""
    return (run.record.model_name, run.record.model)
