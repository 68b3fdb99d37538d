"""What every cell of the preset must come out as, and which cause is planted to get there.

The study printed geometry and r of its 24 cells but could not know why a cell fails. The preset
plants a cause that fits what was printed: outlying directions where Mistral's cosines are low,
faults of magnitude and of concept in Qwen2, whose activations are on a larger scale besides.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.study_cell import StudyCell, models_of
from backend.phantom.causes import NONE
from backend.studies.published import published_study

# (model, trait) of the cells in which something harmful is planted.
PLANTED = {
    ("qwen2", "boundary_maintenance"): "magnitude_outliers",
    ("qwen2", "empathetic_responsiveness"): "massive_coordinate",
    ("qwen2", "non_judgmental_acceptance"): "length_confound",
    ("qwen2", "sycophancy_harmful_validation"): "unlike_concept",
    ("qwen2", "uncritical_validation"): "not_linear",
    ("mistral", "crisis_recognition"): "direction_outliers",
    ("mistral", "non_judgmental_acceptance"): "direction_outliers",
    ("mistral", "abandonment_therapeutic_frame"): "direction_outliers",
    ("mistral", "uncritical_validation"): "direction_outliers",
    ("mistral", "sycophancy_harmful_validation"): "direction_outliers",
    ("mistral", "emotional_over_involvement"): "unlike_concept",
}
SCALED = ("qwen2",)


@dataclass(frozen=True)
class CellTarget:
    """What one cell must come out as at its best layer.

    Attributes:
        published: the printed row.
        cause: what is planted to get there.
        scaled: whether the model's activations are on a larger scale, which does no harm.
    """

    published: StudyCell
    cause: str
    scaled: bool

    @property
    def planted(self) -> tuple[str, ...]:
        """Names of everything planted in the cell."""
        harm = () if self.cause == NONE else (self.cause,)
        scale = ("unit_scale",) if self.scaled else ()
        return (*harm, *scale) or (NONE,)


def load_targets() -> tuple[tuple[str, ...], tuple[str, ...], dict[tuple[str, str], CellTarget]]:
    """Models, traits (in the study's order of the first model) and (model, trait) -> target."""
    rows = published_study().cells
    models = models_of(rows)
    traits = tuple(row.trait for row in rows if row.model == models[0])
    targets = {
        (row.model, row.trait): CellTarget(
            row, PLANTED.get((row.model, row.trait), NONE), row.model in SCALED
        )
        for row in rows
    }
    return models, traits, targets
