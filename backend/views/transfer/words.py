"""What is said about transfers between models."""

from __future__ import annotations

from collections.abc import Mapping

from backend.core.statistics.significance import Significance, significance
from backend.views.shared.differences import SIGNS
from backend.views.transfer.compute import TransferView
from backend.views.transfer.matching import Matching
from backend.views.transfer.transfers import Transfer

VERDICTS: dict[Significance, str] = {
    "higher": "A beats own",
    "not shown": "no difference shown",
    "lower": "own is better",
    "undefined": "no test",
}
# What A → B means.
MEANING: Mapping[Matching, str] = {
    "text": "A reads the very responses whose scores are B's behaviour. r correlates, over them, "
    "the drift of A's activations along A's vector with the drift of the score. It asks whose "
    "vector reads the behaviour better: no vector is moved into another model, and nothing is "
    "steered.",
    "scenario": "A reads its own response to a scenario, B's behaviour is the score of B's "
    "response to the same scenario. r correlates the two over scenarios, so it cannot be "
    "expected to exceed the agreement of their behaviours below, however good A's vector is.",
}
BEST_LAYERS = (
    "Each vector is at its model's layer with the highest r of its own, on the same scores: both "
    "r are flattered, and neither interval nor p allows for it."
)
DIFFERENCES = (
    "Right of zero A does better than B's own vector. Both r share B's behaviour, so the interval "
    "is Zou's and p Williams's, for dependent correlations; both take the cases as independent. "
    "Intervals are not adjusted for the number of tests, so one may leave out zero without a ▲ or "
    "▼."
)
AGREEMENT = (
    "The agreement of two responders' behaviours is the highest r to be expected of a perfect "
    "measure of one on the other."
)


def verdict(found: Transfer) -> str:
    """Whether A beats B's own vector, with its sign."""
    judged = significance(found.difference, found.adjusted_p)
    return f"{SIGNS[judged]} {VERDICTS[judged]}"


def matrix(view: TransferView) -> str:
    """What the matrix of r shows."""
    return (
        "Rows: A, whose activations are projected; columns: B, whose behaviour is to be "
        "predicted. ▲ A beats B's own vector, ▼ B's own is better, ○ no difference shown; by the "
        f"Benjamini-Hochberg p (5%) over the {view.tests()} comparisons of all ordered pairs of "
        f"the runs shown on all {len(view.traits)} traits. The diagonal is each model's own r."
    )


def judged_alike(view: TransferView) -> bool:
    """Whether the same responses count as every model's behaviour."""
    return len({view.judged_on[model] for model in view.models}) == 1


def judged_on(view: TransferView, quote: str = "") -> str:
    """Whose responses count as whose behaviour.

    Args:
        view: the numbers.
        quote: put around the names of responders, such as a backtick in Markdown.
    """
    writers = {
        model: ", ".join(f"{quote}{who}{quote}" for who in view.judged_on[model])
        for model in view.models
    }
    if not judged_alike(view):
        lines = [f"{model}: responses by {who}" for model, who in writers.items()]
        return "Whose responses are a model's behaviour: " + "; ".join(lines) + "."
    who = writers[view.models[0]]
    if not who:
        return "There are no scored responses, so there is nothing to compare."
    return (
        f"All responses were written by {who}, not by the models compared, so every model is "
        "judged on the same scores. A row has the same r in every column where the same cases "
        "match; what changes is the own vector it is held against, and A → B and B → A are one "
        "comparison with the sign turned. Saying which model's vector suits another model's "
        "behaviour needs responses of two models."
    )
