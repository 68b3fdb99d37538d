"""What a metric returns: a number per cell, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats
from backend.core.estimate import Estimate
from backend.core.prompt_cells import PromptCells

EMPTY_POLE = "a pole has no prompts"


@dataclass(frozen=True)
class Measured:
    """One metric of every cell.

    Attributes:
        values: [C], NaN where undefined.
        reasons: cell -> why it is undefined.
        prompts: how many prompts are behind each value, [C]; None for all of the cell.
    """

    values: Floats
    reasons: dict[int, str]
    prompts: NDArray[np.intp] | None = None

    @classmethod
    def unless(
        cls,
        cells: PromptCells,
        values: Floats,
        *undefined: tuple[Bools, str],
        prompts: NDArray[np.intp] | None = None,
    ) -> Measured:
        """Values, except where one of the conditions holds; the first one is the reason.

        Args:
            cells: what was measured; a pole without prompts leaves a cell without any metric.
            values: [C]; whatever it holds where undefined.
            undefined: ([C] mask, reason) each.
            prompts: as the attribute.
        """
        found = values.astype(np.float64)
        reasons: dict[int, str] = {}
        for mask, reason in ((cells.fewest < 1, EMPTY_POLE), *undefined):
            if mask.any():
                for cell in np.flatnonzero(mask):
                    reasons.setdefault(int(cell), reason)
        if reasons:
            found[list(reasons)] = np.nan
        return cls(found, reasons, prompts)

    def estimates(self, cells: PromptCells) -> list[Estimate]:
        """The metric of each cell: exact for its prompts, so without interval."""
        prompts = cells.prompts if self.prompts is None else self.prompts
        return [
            Estimate.undefined(int(n), self.reasons[cell])
            if cell in self.reasons
            else Estimate.exact(float(value), int(n))
            for cell, (value, n) in enumerate(zip(self.values, prompts, strict=True))
        ]


def quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Numerator over denominator, NaN where the denominator is not positive."""
    defined = denominator > 0
    found: Floats = np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)
    return found
