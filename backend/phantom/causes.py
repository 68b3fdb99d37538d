"""What the phantom can plant. One entry per cause; the simulator reads its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CausePlace = Literal["prompts", "responses", "scores", "model", "study"]


@dataclass(frozen=True)
class PlantedCause:
    """One reason why a cell fails, or does not.

    Attributes:
        name: key.
        title: name on screen.
        place: what is simulated otherwise. Scores are shared by all models of a study, so a cause
            in the scores is planted in a trait of every model; a scale in all traits of a model;
            a number of scenarios in the study.
        harms: whether r falls; a cause that does no harm must not be accused.
        meaning: what is planted, in a sentence.
    """

    name: str
    title: str
    place: CausePlace
    harms: bool
    meaning: str


NONE = "none"
CAUSES: tuple[PlantedCause, ...] = (
    PlantedCause(NONE, "nothing planted", "prompts", False, "The vector reads the behaviour."),
    PlantedCause(
        "unit_scale",
        "activations on another scale",
        "model",
        False,
        "All activations of the model are multiplied; nothing else changes.",
    ),
    PlantedCause(
        "magnitude_outliers",
        "prompts of outlying length",
        "prompts",
        True,
        "A few prompts of one pole have activations several times as long.",
    ),
    PlantedCause(
        "direction_outliers",
        "prompts of outlying direction",
        "prompts",
        True,
        "A few prompts of one pole point along something the responses vary in.",
    ),
    PlantedCause(
        "massive_coordinate",
        "a massive coordinate",
        "prompts",
        True,
        "One coordinate holds most of every activation and differs between the poles.",
    ),
    PlantedCause(
        "other_layer",
        "signal in another layer",
        "responses",
        True,
        "Responses carry the behaviour in one other layer only.",
    ),
    PlantedCause(
        "floor", "scores at the floor", "scores", True, "Nearly all scores are the lowest possible."
    ),
    PlantedCause(
        "compressed",
        "compressed scores",
        "scores",
        True,
        "Scores use a small part of their range, so rounding hides the behaviour.",
    ),
    PlantedCause(
        "unreliable_judge",
        "an unreliable judge",
        "scores",
        True,
        "Most of the scores' variance is error.",
    ),
    PlantedCause(
        "unlike_concept",
        "template concept unlike the behaviour",
        "prompts",
        True,
        "Prompts separate cleanly along a direction that is not the judged behaviour's.",
    ),
    PlantedCause(
        "not_linear",
        "signal not linearly present",
        "responses",
        True,
        "Responses carry the behaviour as a magnitude of random sign.",
    ),
    PlantedCause(
        "length_confound",
        "response length",
        "prompts",
        True,
        "High prompts are longer, and activations carry length.",
    ),
    PlantedCause(
        "few_scenarios",
        "too few scenarios",
        "study",
        True,
        "So few scenarios that r could be anything.",
    ),
)
CAUSES_BY_NAME = {cause.name: cause for cause in CAUSES}
