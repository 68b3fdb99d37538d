"""Do compressed behaviour scores explain why a model does worse? (study, Part 1)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable, supports
from backend.core.statistics.correlation import pearson
from backend.core.statistics.partial import partial_correlation
from backend.core.study_cell import StudyCell, column, having, model_dummies, models_of
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "compression"
QUESTION = "Is score compression why some cells fail?"
CAVEAT = (
    "Cells of one model share prompts and responses, so they are not independent and every p "
    "over cells is too small. No visible effect does not mean no effect: read the interval."
)


def best_model(rows: Sequence[StudyCell]) -> str:
    """The model with the highest mean r; of equals the first."""
    means = {m: np.mean([row.r for row in rows if row.model == m]) for m in models_of(rows)}
    return max(means, key=lambda model: means[model])


def compression_finding(rows: Sequence[StudyCell]) -> Finding:
    """Partial correlations of r with the behaviour's pairs and with the best model.

    Args:
        rows: the cells at their best layers.
    """
    known = having(rows, "r", "behaviour_sd")
    if len(known) < 4:
        return not_computable(NAME, QUESTION, f"{len(known)} cells have r and behaviour scores")
    r, sd = column(known, "r"), column(known, "behaviour_sd")
    pairs = Cases.independent(r, sd)
    lines = [Row("r v behaviour sd", pearson(pairs))]
    deciding = lines[0].estimate
    if len(models_of(known)) < 2:
        supported = supports(deciding) and (deciding.value or 0) > 0
        answer = (
            "Yes. Cells whose scores vary more have the higher r."
            if supported
            else "Not shown. Score spread does not visibly predict r."
        )
        why = "it needs runs of several models, and there is one"
        lines.append(Row("r v model, given behaviour sd", Estimate.undefined(len(known), why)))
    else:
        best = best_model(known)
        is_best = np.array([float(row.model == best) for row in known])
        effect = partial_correlation(Cases.independent(r, is_best), sd[:, None])
        rest = partial_correlation(pairs, is_best[:, None])
        lines += [
            Row(f"r v being {best}, given behaviour sd", effect),
            Row(f"r v behaviour sd, given being {best}", rest),
            Row(
                "r v behaviour sd, every model held fixed",
                partial_correlation(pairs, model_dummies(known)),
            ),
        ]
        deciding = lines[-1].estimate
        supported = supports(rest) and (rest.value or 0) > 0
        differs = "still differs" if supports(effect) else "does not visibly differ"
        answer = (
            "Yes. Within a model, larger score spread goes with higher r. "
            if supported
            else "Not shown. Within a model, score spread does not visibly predict r. "
        ) + f"At equal score spread, {best} {differs} from the others."
    verdict: Verdict = "supported" if supported else "undetermined"
    if not supported and deciding.high is not None and deciding.high < 0.1:
        verdict = "ruled out"
    return Finding(NAME, QUESTION, verdict, answer, CAVEAT, tuple(lines))


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    return compression_finding(evidence.cells)


TEST = StudyTest(NAME, QUESTION, _of_evidence)
