"""The cases behind a statistic: the only way in, so that what is dependent cannot be forgotten."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, Integers, refuse_not_finite


@dataclass(frozen=True, eq=False)
class Cases:
    """Pairs (x, y), with who and what each is of.

    Attributes:
        x: what should predict, such as projection drift (or level), [n].
        y: what is predicted, such as score drift (or level), [n].
        scenarios: scenario of each case, [n]; empty where cases are of no scenario.
        responders: who responded, [n]; empty likewise.
        groups: 0..k-1, [n]: cases of one group are dependent, cases of different groups are not.
    """

    x: Floats
    y: Floats
    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    groups: Integers

    def __post_init__(self) -> None:
        """All columns have one row a case.

        Raises:
            ValueError: shapes differ, or x or y holds what is not finite.
        """
        if self.x.ndim != 1 or self.x.shape != self.y.shape or self.groups.shape != self.x.shape:
            raise ValueError(
                f"x, y and groups must be vectors of one length, not {self.x.shape}, "
                f"{self.y.shape} and {self.groups.shape}"
            )
        refuse_not_finite(x=self.x, y=self.y)

    @classmethod
    def of_scenarios(
        cls, x: Floats, y: Floats, scenarios: Sequence[str], responders: Sequence[str]
    ) -> Cases:
        """Cases of a study: those of one scenario are dependent.

        Args:
            x: [n].
            y: [n].
            scenarios: of each case, [n].
            responders: of each case, [n].
        """
        return cls(x, y, tuple(scenarios), tuple(responders), group_numbers(scenarios))

    @classmethod
    def independent(cls, x: Floats, y: Floats) -> Cases:
        """Pairs that have nothing in common with each other.

        Args:
            x: [n].
            y: [n].
        """
        return cls(x, y, (), (), np.arange(len(x)))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def group_count(self) -> int:
        """k, the number of independent groups."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    def with_x(self, x: Floats) -> Cases:
        """The same cases with another predictor, [n]."""
        return dataclasses.replace(self, x=x)

    def with_y(self, y: Floats) -> Cases:
        """The same cases with something else to predict, [n]."""
        return dataclasses.replace(self, y=y)

    def subset(self, rows: Integers | Bools) -> Cases:
        """Some of the cases.

        Args:
            rows: their positions, or a mask.
        """
        places = np.arange(len(self))[rows]
        return Cases(
            self.x[places],
            self.y[places],
            tuple(self.scenarios[i] for i in places) if self.scenarios else (),
            tuple(self.responders[i] for i in places) if self.responders else (),
            np.unique(self.groups[places], return_inverse=True)[1],
        )


def group_numbers(names: Sequence[str]) -> Integers:
    """Names as 0..k-1 in the order of their sorted names, [n]."""
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([place[name] for name in names], np.intp)
