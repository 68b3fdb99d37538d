"""What the layers of a run are worth in sentences, and what to see in each chart."""

from __future__ import annotations

from backend.store.run import NOT_COMPUTED
from backend.store.run_values import CellResult
from backend.views.layers.compute import LayerChoice
from backend.views.shared.numbers import r_text

R_BY_LAYER = (
    "A layer beats chance where its point lies outside both grey bands, which hold 95% of the r of "
    "control vectors unrelated to the trait."
)
BEST_LAYERS = (
    "The r of the best layer is inflated by selection. p accounts for that choice (permutations of "
    "the maximum over layers, one-sided), adjusted p also for the number of traits "
    "(Benjamini-Hochberg). Held-out r is from scenarios the layer was not chosen on."
)
HEATMAP = (
    "A real signal changes smoothly over layers: a broad orange stretch. A single orange cell is "
    "more likely chance. Frame: best layer of each trait."
)
MODELS = (
    "One panel a model, on one colour scale. If a trait works on one model at some depth and "
    "nowhere on another, another layer will not help there."
)
UNITS = (
    "Separation and within-class variance grow with the activations from layer to layer. Compare "
    "layers by the scale-free panels on the right."
)
PANEL_LINES = "The dotted line is the best layer; long dashes are chance."

_BEYOND = {
    "later": "It is the last layer extracted: a better one may lie beyond it.",
    "earlier": "It is the first layer extracted: a better one may lie before it.",
}
_CONTROLS = {
    "shuffled_labels": "vectors of the same prompts with shuffled labels",
    "random_direction": "random directions",
}


def choice_sentence(choice: LayerChoice) -> str:
    """What the best layer is worth, in plain words."""
    r = choice.correlation
    count = len(choice.layers)
    if choice.layer is None or r.value is None:
        return f"There is no best layer: r is undefined, as {r.reason}."
    if count == 1:
        said = (
            f"Layer {choice.layer} is the only one extracted, so r is not inflated by a choice: "
            f"r = {r_text(r)}"
        )
        return said + ("." if choice.p is None else f"; one-sided permutation p = {choice.p:.2g}.")
    said = f"Layer {choice.layer} is the best of {count}: r = {r.value:+.2f} (n = {r.n})."
    return f"{said} {worth_of_choice(choice)}"


def worth_of_choice(choice: LayerChoice) -> str:
    """What is left of the best layer's r without the luck of choosing it, in plain words; empty
    where no layer was chosen."""
    count = len(choice.layers)
    if choice.layer is None or count == 1:
        return ""
    held = r_text(choice.held_out, count=False)
    if choice.held_out.value is None:
        said = f"r on scenarios that the layer was not chosen on is {held}"
    else:
        said = f"On scenarios that the layer was not chosen on, r = {held}"
    if choice.null_95 is not None and choice.p is not None:
        said += (
            f"; chance alone reaches {choice.null_95:+.2f} in 5% of shuffles (p = {choice.p:.2g})"
        )
    said += "."
    if choice.p is not None and choice.p >= 0.05:
        said += f" That is no more than the best of {count} layers can reach by chance."
    return said if choice.beyond is None else f"{said} {_BEYOND[choice.beyond]}"


def layer_sentence(cell: CellResult) -> str:
    """r at one layer beside control vectors unrelated to the trait."""
    c = cell.correlation
    if c.value is None:
        return f"At layer {cell.key.layer} r is undefined, as {c.reason}."
    said = f"At layer {cell.key.layer}, r = {r_text(c)}."
    parts, missing = [], []
    for kind, what in _CONTROLS.items():
        control = cell.controls.get(kind)
        if control is None:
            missing.append(f" Of {what}: {NOT_COMPUTED}.")
        elif control.p is not None:
            parts.append(f"{control.draws} {what} p = {control.p:.2g}")
    if parts:
        said += f" Against {', against '.join(parts)} (share at least as far from zero)."
    return said + "".join(missing)
