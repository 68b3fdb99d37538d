"""r of every prompt set of a run, such as the sets that thresholds of judge scores have made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.store.run import Run
from backend.views.methods.compute import MethodResult, method_results
from backend.views.shared.numbers import r_text


@dataclass(frozen=True)
class SetResult:
    """The mean difference of one trait and prompt set.

    Attributes:
        trait: the trait.
        prompt_set: which of its prompts.
        high: number of prompts of the high pole.
        low: of the low pole.
        result: r at the layer with the highest r, and with the layer chosen on other scenarios;
            None where the run does not hold it.
    """

    trait: str
    prompt_set: str
    high: int
    low: int
    result: MethodResult | None


def results_by_set(run: Run) -> tuple[SetResult, ...]:
    """Every trait with each of its prompt sets, by trait in the study's order and name of the set.

    Args:
        run: an open run.
    """
    by_set = {name: method_results(run, name) for name in run.prompt_sets}
    found = []
    for trait in run.traits:
        counts = Counter((prompt.prompt_set, prompt.pole) for prompt in run.prompts(trait))
        found += [
            SetResult(
                trait,
                name,
                counts[name, "high"],
                counts[name, "low"],
                results.get((MEAN_DIFFERENCE, trait)),
            )
            for name, results in by_set.items()
            if any(own == name for own, _ in counts)
        ]
    return tuple(found)


def set_rows(found: tuple[SetResult, ...]) -> list[dict[str, str]]:
    """r by prompt set as a table.

    Args:
        found: from :func:`results_by_set`.
    """
    return [
        {
            "trait": one.trait.replace("_", " "),
            "prompt set": one.prompt_set,
            "prompts, high + low": f"{one.high} + {one.low}",
            "best layer": "–"
            if one.result is None or one.result.layer is None
            else str(one.result.layer),
            "r at it (inflated by selection)": "not computed in this run"
            if one.result is None
            else r_text(one.result.correlation),
            "r, layer chosen on other scenarios": "not computed in this run"
            if one.result is None
            else r_text(one.result.selection_free_r()),
        }
        for one in found
    ]
