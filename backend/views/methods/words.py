"""Names and captions of the Methods page, which its section of a report shares."""

from __future__ import annotations

from typing import Literal

from backend.core.estimate import Estimate
from backend.core.statistics.held_out_choice import SPLITS
from backend.core.vectors.subsampling import SIZES
from backend.store.run import NOT_COMPUTED
from backend.views.methods.comparison import MethodChoice, MethodComparison
from backend.views.methods.compute import LEFT_OUT, MethodGrid, MethodRow
from backend.views.methods.subsampling import SubsampleCurve

# Which r the grid shows where no layer is given.
Shown = Literal["held_out", "best"]
SHOWN: dict[Shown, str] = {
    "held_out": "layer chosen on other scenarios",
    "best": "at the best layer (flattered)",
}
FITTED_MARK, SAVED_MARK = "†", "‡"
NO_PROMPTS = "the trait has no prompts of this set"

SAVED = (
    f"{SAVED_MARK} is a vector saved in the Filter lab, at its own layer: it may have been chosen "
    "on these scores, so its r is flattered."
)
SUBSETS_COSINE = (
    "A subset is part of all prompts, which flatters its cosine to them; disjoint subsets share "
    "none."
)
TOO_FEW_PROMPTS = f"There are too few prompts per pole for the smallest subset, {SIZES[0]}."


def marked(row: MethodRow) -> str:
    """A method's title with the mark of fitted or saved ones."""
    mark = FITTED_MARK if row.fitted else SAVED_MARK if row.saved else ""
    # A hard space, so that an axis does not put the mark on a line of its own.
    return f"{row.title}\u00a0{mark}" if mark else row.title


def missing_text(row: MethodRow) -> str:
    """Why a method has no result on a trait."""
    return row.missing or NO_PROMPTS


def interval_text(found: Estimate) -> str:
    """An interval alone, or why there is none."""
    if found.low is None or found.high is None:
        return f"undefined: {found.reason or 'its reason was not recorded'}"
    return f"[{found.low:+.2f}, {found.high:+.2f}]"


def spread_text(spread: tuple[float, float, float]) -> str:
    """A mean and the ends between which 95% lie."""
    mean, low, high = spread
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def grid_caption(grid: MethodGrid, shown: Shown, layer: int | None) -> str:
    """What the grid shows.

    Args:
        grid: all methods on all traits.
        shown: which r, where no layer is given.
        layer: the layer of all; None for the best of each.
    """
    where = SHOWN[shown] if layer is None else f"at layer {layer}"
    return (
        f"r over {grid.target}s, {where}; bold is the highest of a trait, which is chosen on the "
        f"data that it is shown on. {FITTED_MARK} is fitted on scores: its r comes from scenarios "
        "that each fit had not seen. – is undefined, empty is not computed in this run."
    )


def missing_caption(grid: MethodGrid) -> str:
    """Which registered methods the run does not hold; empty if it holds all.

    Args:
        grid: all methods on all traits.
    """
    parts = []
    for reason, remedy in ((LEFT_OUT, ""), (NOT_COMPUTED, " Derive it again to have them.")):
        titles = [row.title for row in grid.rows if row.missing == reason]
        if titles:
            parts.append(f"Not computed in this run: {', '.join(titles)}.{remedy}")
    return " ".join(parts)


def forest_caption(layer: int | None) -> str:
    """What to see in the intervals of every method on one trait.

    Args:
        layer: the layer of all; None for the best of each.
    """
    said = (
        "Both intervals are of the same r: Fisher's takes drifts as normal, the bootstrap draws "
        "scenarios. Where they differ, trust neither end too far."
    )
    if layer is None:
        said += (
            " Green is r of the layer chosen on other scenarios: where it falls behind, the best "
            "layer was luck."
        )
    return said


def differences_caption(comparison: MethodComparison, layer: int | None) -> str:
    """What to see in the differences to the mean difference.

    Args:
        comparison: of a run.
        layer: the layer of all; None for the best of each.
    """
    said = (
        "Right of zero beats the study's method. Both r share the behaviour, so the interval is "
        "Zou's and p Williams's. ▲ and ▼ are sure by the Benjamini-Hochberg p (5%) over all "
        f"{comparison.tests()} comparisons of methods and traits of this run; intervals are not "
        "adjusted, so one may leave out zero without being sure."
    )
    if layer is None:
        said += " Each method is at its own best layer, so both r are flattered."
    return said


def choice_caption(choice: MethodChoice) -> str:
    """How the worth of choosing the best method is measured."""
    return (
        f"The highest of {choice.candidates} r is partly luck: choosing the best method on the "
        "same data flatters it. So the choice is made on one half of the scenarios and r taken on "
        f"the other, over {SPLITS} random splits. Only if that beats the mean difference is "
        "choosing worth anything."
    )


def overall_caption(layer: int | None) -> str:
    """What the comparison over traits says.

    Args:
        layer: the layer of all; None for the best of each.
    """
    chosen = ", each r with its layer chosen on other scenarios" if layer is None else ""
    return (
        "The difference of Fisher's z to the mean difference, averaged over the traits on which "
        f"both have r{chosen}. ▲ and ▼ are sure by the Benjamini-Hochberg p (5%) over methods. "
        "Traits share their responses, so they are less than independent and the interval is too "
        "narrow rather than too wide. A method that was refused on some traits is compared on the "
        "others only."
    )


def subsets_caption(trait: str, layer: int, curve: SubsampleCurve) -> str:
    """What r of vectors from fewer prompts shows.

    Args:
        trait: the trait.
        layer: the layer.
        curve: of that cell.
    """
    high, low = curve.prompts
    return (
        f"{trait.replace('_', ' ')}, layer {layer}: mean-difference vectors from random subsets of "
        f"its {high} high and {low} low prompts. Bars hold 95% of the draws: what the choice of "
        "prompts does, the responses being the same. The grey area is the interval of r of all "
        "prompts: what the choice of scenarios does."
    )
