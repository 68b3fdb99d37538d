"""Names and captions of the Methods page, which its section of a report shares."""

from __future__ import annotations

from typing import Literal

from backend.core.estimate import Estimate
from backend.core.statistics.held_out_choice import SPLITS
from backend.core.statistics.significance import significance
from backend.core.vectors.subsampling import SIZES
from backend.store.run import NOT_COMPUTED
from backend.views.methods.comparison import MethodChoice, MethodComparison, MethodOverTraits
from backend.views.methods.compute import LEFT_OUT, MethodGrid, MethodRow
from backend.views.methods.cosines import VectorCosines
from backend.views.methods.differences import MethodDifferences
from backend.views.methods.subsampling import SubsampleCurve
from backend.views.shared.numbers import p_text

# Which r the grid shows where no layer is given.
Shown = Literal["held_out", "best"]
SHOWN: dict[Shown, str] = {
    "held_out": "layer chosen on other scenarios",
    "best": "at the best layer (inflated by selection)",
}
FITTED_MARK, SAVED_MARK = "†", "‡"
NO_PROMPTS = "the trait has no prompts of this set"

SAVED = (
    f"{SAVED_MARK} is a vector saved in the Filter lab, at its own layer, or imported from a file. "
    "If it was chosen on these scores, its r is inflated by selection."
)
SUBSETS_COSINE = (
    "A subset is part of all prompts, which inflates its cosine to them; disjoint subsets share "
    "none."
)
COSINES = (
    "Cosine of every pair of vectors. Vectors of one method that point the same way for different "
    "traits measure one common thing."
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


def overall_answer(comparison: MethodComparison) -> str:
    """Which methods are better than the mean difference over the traits, in words.

    Args:
        comparison: of a run.
    """
    titles = {row.name: row.title for row in comparison.grid.rows}
    found = {name: over for name, over in comparison.overall.items() if over.z.value is not None}
    if not found:
        most = max((over.z.n for over in comparison.overall.values()), default=0)
        return (
            "No method can be compared with the mean difference over the traits of this run: that "
            f"takes 2 traits on which both have r, and there {'is' if most == 1 else 'are'} {most}."
        )
    kinds = {name: significance(over.z, over.adjusted_p) for name, over in found.items()}
    better = [name for name in found if kinds[name] == "higher"]
    worse = sum(kind == "lower" for kind in kinds.values())
    if better:
        names = ", ".join(f"{titles[name]} ({_over(found[name])})" for name in better)
        said = f"Better than the mean difference over the traits: {names}."
    else:
        first = max(found, key=lambda name: found[name].z.value or 0.0)
        said = (
            f"No method is shown to beat the mean difference over the traits. Closest: "
            f"{titles[first]} ({_over(found[first])})."
        )
    return said + (f" {worse} of {len(found)} methods are worse." if worse else "")


def _over(found: MethodOverTraits) -> str:
    by = "" if found.r is None else f"r differs by {found.r:+.2f} on average; "
    return f"{by}higher on {found.won} of {found.z.n} traits, adjusted p {p_text(found.adjusted_p)}"


def choice_answer(choice: MethodChoice) -> str:
    """What choosing the best method of a trait is worth, in words."""
    if choice.method is None or choice.highest.value is None:
        return f"There is nothing to choose: {choice.highest.reason}."
    said = f"{choice.title} has the highest r, {choice.highest.value:+.2f}. "
    if choice.held_out.value is None:
        return said + f"What the choice is worth is undefined: {choice.held_out.reason}."
    said += f"Chosen on other scenarios, the best method reaches {choice.held_out.value:+.2f}"
    if choice.baseline.value is None:
        return f"{said}."
    return f"{said}; the mean difference alone, {choice.baseline.value:+.2f}."


def subsets_answer(curve: SubsampleCurve) -> str:
    """How few prompts give the vector of all, in words; empty without a curve."""
    if not curve.sizes:
        return ""
    few = curve.sizes[0]
    said = f"{few.size} prompts per pole give a vector at cosine {few.cosine[0]:.2f} to that of all"
    if few.r is not None and curve.whole.value is not None:
        said += f", with r {few.r[0]:+.2f} on average instead of {curve.whole.value:+.2f}"
    return f"{said}."


def cosines_answer(found: VectorCosines) -> str:
    """Which vectors point the same way, and what chance gives, in words."""
    closest = found.closest()
    if closest is None:
        return "Fewer than two vectors are defined here, so there is no cosine."
    first, second, cosine = closest
    way = "alike" if cosine > 0 else "opposed"
    return (
        f"Most {way}: {first} and {second}, cosine {cosine:+.2f}. Of two random directions in "
        f"d = {found.width}, 95% have a cosine within ±{1.96 / found.width**0.5:.2f}."
    )


def missing_vectors(found: VectorCosines) -> str:
    """What has no vector at this layer; empty where all have one."""
    if not found.missing:
        return ""
    return f"No vector at layer {found.layer}: {', '.join(found.missing)}."


def grid_caption(grid: MethodGrid, shown: Shown, layer: int | None) -> str:
    """What the grid shows.

    Args:
        grid: all methods on all traits.
        shown: which r, where no layer is given.
        layer: the layer of all; None for the best of each.
    """
    where = SHOWN[shown] if layer is None else f"at layer {layer}"
    return (
        f"r over {grid.target}s, {where}. Bold: the highest of a trait, itself a selection. "
        f"{FITTED_MARK}: fitted on scores, r from scenarios that each fit had not seen. "
        "–: undefined. Empty: not computed in this run. On a phone it scrolls sideways."
    )


def missing_caption(grid: MethodGrid) -> str:
    """Which registered methods the run does not hold, or holds of an earlier version; empty if it
    holds all.

    Args:
        grid: all methods on all traits.
    """
    parts = []
    for reason, remedy in (
        (LEFT_OUT, ""),
        (NOT_COMPUTED, " Derive the run again to compute them."),
    ):
        titles = [row.title for row in grid.rows if row.missing == reason]
        if titles:
            parts.append(f"Not computed in this run: {', '.join(titles)}.{remedy}")
    if grid.outdated_range is not None:
        low, high = grid.outdated_range
        parts.append(
            "The logistic probes of this run have the thresholds of scores from 0 to 10, but its "
            f"scores run from {low:g} to {high:g}. Derive the run again to split at the same "
            "fractions of that range."
        )
    return " ".join(parts)


def forest_caption(layer: int | None) -> str:
    """What to see in the intervals of every method on one trait.

    Args:
        layer: the layer of all; None for the best of each.
    """
    said = (
        "Both intervals are of the same r: Fisher's assumes normal drifts, the bootstrap resamples "
        "scenarios. If they disagree, treat the limits as approximate."
    )
    if layer is None:
        said += (
            " Green: r with the layer chosen on other scenarios. If this is clearly lower, the "
            "best layer's r was inflated by selection."
        )
    return said


def differences_caption(differences: MethodDifferences, layer: int | None) -> str:
    """What to see in the differences to the mean difference.

    Args:
        differences: of a run.
        layer: the layer of all; None where each method's is chosen.
    """
    how = (
        "Layers are chosen on one half of the scenarios and the two r compared on the other, as on "
        "Diagnosis, so a difference is not that of the two best r."
        if layer is None
        else "Both r share the behaviour, so the interval is Zou's and p Williams's."
    )
    return (
        f"Right of zero: better than the study's method. {how} ▲ and ▼: significant at a 5% false "
        f"discovery rate (Benjamini-Hochberg) over all {differences.tests()} comparisons of "
        "methods and traits of this run. Intervals are not adjusted."
    )


def choice_caption(choice: MethodChoice) -> str:
    """How the worth of choosing the best method is measured."""
    return (
        f"The highest of {choice.candidates} r is partly luck. So the best one is chosen on one "
        f"half of the scenarios and its r measured on the other, over {SPLITS} random splits. "
        "Choosing is worth something only if that r is above the mean difference's."
    )


def overall_caption(layer: int | None) -> str:
    """What the comparison over traits says.

    Args:
        layer: the layer of all; None for the best of each.
    """
    chosen = ", each r with its layer chosen on other scenarios" if layer is None else ""
    return (
        "The difference of Fisher's z to the mean difference, averaged over the traits on which "
        f"both have r{chosen}. ▲ and ▼: significant at a 5% false discovery rate "
        "(Benjamini-Hochberg) over methods. Traits share their responses, so the interval may "
        "be too narrow. A method without a vector on some traits is compared on "
        "the others only."
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
        f"its {high} high and {low} low prompts. Bars: 95% of the draws, the effect of which "
        "prompts are taken. Grey area: the 95% interval of r of all prompts, the effect of which "
        "scenarios are taken."
    )
