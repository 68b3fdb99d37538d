"""What the Steer page says."""

from __future__ import annotations

from backend.steering.answer import Turn, VariantAnswer
from backend.steering.interventions import Mode
from backend.steering.units import ONE_UNIT, UNITS
from backend.steering.vectors import SteeringVector

MODES: dict[Mode, str] = {
    "add": "add",
    "norm-add": "add, keep the norm",
    "ablate": "ablate",
    "cap": "cap",
}
MODE_HELP = (
    "Add: x + s v. Keep the norm: the same, brought back to the length of x. Ablate: take away the "
    "share s of the component along v. Cap: keep the projection within limits."
)
WHERE_HELP = (
    "At which tokens. The first token of an answer is chosen at the end of the prompt, so steering "
    "the answer alone does not reach it."
)
SEE = (
    "Compare each column with plain, and with the random direction: where random changes the text "
    "as much, the effect is not specific to the vector. All columns draw with the same seed."
)
COLOURED = (
    "The text alone: what the model reads of the same text before the intervention. With steering: "
    "after it; added strength raises every token, whatever the text says."
)
EMPTY = "Write a message below. The model answers it plain and steered, side by side."
CHANGED = (
    "The choices have changed, or the vector was derived again. Your next message begins a new "
    "chat with them."
)
LEFT = (
    "The answer was stopped: this page was left, or the browser lost its connection. What was "
    "written is kept."
)
NO_MODEL = (
    "This run has no model to steer: its activations were simulated or taken elsewhere. Choose a "
    "run that was extracted from a model here."
)
LOOK_ONLY = "You may look here. Starting a chat needs the right to change things."


def about(vector: SteeringVector) -> str:
    """Which vector steers what, and how large its units are.

    Args:
        vector: the chosen one.
    """
    units = vector.units
    sizes = []
    for unit in UNITS:
        size, name = units.size(unit), ONE_UNIT[unit]
        sizes.append(
            f"{name} undefined ({size.reason})"
            if size.value is None
            else f"1 {name} = {size.value:.3g}"
        )
    return f"Layer {vector.layer} of {vector.model}. In units of activations: {'; '.join(sizes)}."


def poles(vector: SteeringVector) -> str:
    """Where the prompts lie along the vector, for the limits of a cap.

    Args:
        vector: the chosen one.
    """
    low, high = vector.units.low, vector.units.high
    if low.value is None or high.value is None:
        return f"Limits are in units of activations. Where the prompts lie: {low.reason}."
    return (
        f"Limits are in units of activations. Mean of the low prompts: {low.value:.3g}; of the "
        f"high prompts: {high.value:.3g}."
    )


def under(answer: VariantAnswer, *, live: bool) -> str:
    """What is said below the name of a variant.

    Args:
        answer: of the variant.
        live: whether it is still being written.
    """
    before, after = answer.mean_before, answer.mean_after
    if before is None or after is None:
        return "" if live else "The answer is empty."
    ended = "" if live or answer.finished else ", cut"
    if answer.kind == "plain":
        return f"{len(answer.tokens)} tokens{ended}; mean {before:.2f}"
    return (
        f"{len(answer.tokens)} tokens{ended}; mean of the text {before:.2f}, "
        f"with steering {after:.2f}"
    )


def seen(turn: Turn) -> str:
    """How the texts of a turn read along the vector, before any intervention.

    Args:
        turn: that has ended.
    """
    plain = next((one.mean_before for one in turn.answers if one.kind == "plain"), None)
    others = [
        (one.name, one.mean_before - plain)
        for one in turn.answers
        if one.kind != "plain" and one.mean_before is not None and plain is not None
    ]
    if plain is None or not others:
        return ""
    moved = ", ".join(f"{name} by {apart:+.2f}" for name, apart in others)
    return (
        f"Read without steering, the texts differ from plain (mean projection {plain:.2f}): "
        f"{moved}. One answer each: an example, not a test."
    )


def rate(turn: Turn) -> str:
    """How fast it was written. Args: turn: the turn, ended or not."""
    if turn.tokens_per_second is None:
        return ""
    return f"{turn.tokens_per_second:.1f} tokens/s in {len(turn.answers)} columns together"
