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
    "text": "A reads the same responses whose scores are B's behaviour. Which model's vector "
    "reads the behaviour better? No vector is moved into another model, and nothing is steered.",
    "scenario": "A reads its own response to a scenario; B's behaviour is the score of B's "
    "response to it. So r can hardly exceed the agreement of their behaviours, however good A's "
    "vector is.",
}
BEST_LAYERS = (
    "Each vector is at its model's layer with the highest r of its own, on the same scores. Both "
    "r are inflated by selection, which neither interval nor p allows for."
)
DIFFERENCES = (
    "Right of zero: A does better than B's own vector. Both r share B's behaviour, so the interval "
    "is Zou's and p Williams's, for dependent correlations; both take the cases as independent. "
    "Intervals are not adjusted for the number of tests; ▲ and ▼ are."
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
        "Rows: A, whose activations are projected. Columns: B, whose behaviour is predicted. "
        "Diagonal: each model's own r. ▲ A beats B's own vector, ▼ B's own is better, ○ no "
        "difference shown. These are at a 5% false discovery rate (Benjamini-Hochberg) over all "
        f"{view.tests()} comparisons: every pair of the runs shown, on {len(view.traits)} traits."
    )


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
    if not view.judged_alike:
        lines = [f"{model}: responses by {who}" for model, who in writers.items()]
        return "Whose responses are a model's behaviour: " + "; ".join(lines) + "."
    who = writers[view.models[0]]
    if not who:
        return "There are no scored responses, so there is nothing to compare."
    return (
        f"All responses were written by {who}, not by the models compared, so every model is "
        "judged on the same scores. Only the baseline (B's own vector) differs between columns, "
        "and A → B and B → A are one comparison with the sign turned. To test vectors on another "
        "model's own behaviour, responses of two models are needed."
    )


def answer(view: TransferView, trait: str) -> str:
    """On how many pairs another model's vector is better, for a trait and over all.

    Args:
        view: the numbers.
        trait: one of its traits.
    """
    tested = [found for found in view.transfers if found.adjusted_p is not None]
    if not tested:
        none = [name for (of, name), at in view.layers.items() if of == trait and at is None]
        said = "No pair of models can be compared on these traits"
        if not none:
            return f"{said}."
        return (
            f"{said}: at this layer there is no vector of {', '.join(none)}. Choose a layer that "
            'all runs have, or "best per trait".'
        )
    better = [f for f in tested if significance(f.difference, f.adjusted_p) == "higher"]
    own = [f for f in better if f.trait == trait]
    name = trait.replace("_", " ")
    if not better:
        return (
            f"Not shown. In none of {view.tests()} comparisons is another model's vector "
            "significantly better than the model's own."
        )
    said = f"Yes, in {len(better)} of {view.tests()} comparisons over all traits. {name}: "
    if not own:
        return f"{said}none of {view.tests(trait)}."
    names = ", ".join(f"{f.activation_model} → {f.behaviour_model}" for f in own)
    return f"{said}{len(own)} of {view.tests(trait)} ({names})."
