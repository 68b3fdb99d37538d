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
        strata: 0..m-1, [n]: the responder of each case. Statistics compare cases within a
            responder, as a difference between responders says nothing of the vector.
    """

    x: Floats
    y: Floats
    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    groups: Integers
    strata: Integers

    def __post_init__(self) -> None:
        """All columns have one row a case, and every value is a number.

        Raises:
            ValueError: shapes differ, or x or y holds what is not finite.
        """
        shapes = {self.y.shape, self.groups.shape, self.strata.shape}
        if self.x.ndim != 1 or shapes != {self.x.shape}:
            raise ValueError(
                f"x, y, groups and strata must be vectors of one length, not {self.x.shape}, "
                f"{self.y.shape}, {self.groups.shape} and {self.strata.shape}"
            )
        refuse_not_finite(x=self.x, y=self.y)

    @classmethod
    def of_study(
        cls,
        x: Floats,
        y: Floats,
        scenarios: Sequence[str],
        responders: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> Cases:
        """Cases of a study.

        Args:
            x: [n].
            y: [n].
            scenarios: of each case, [n].
            responders: of each case, [n]; empty where there is one.
            groups: what makes cases dependent, [n]; empty for the scenario.
        """
        strata = group_numbers(responders) if responders else np.zeros(len(x), np.intp)
        return cls(
            x, y, tuple(scenarios), tuple(responders), group_numbers(groups or scenarios), strata
        )

    @classmethod
    def independent(cls, x: Floats, y: Floats) -> Cases:
        """Pairs that have nothing in common with each other.

        Args:
            x: [n].
            y: [n].
        """
        n = len(x)
        return cls(x, y, (), (), np.arange(n), np.zeros(n, np.intp))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def group_count(self) -> int:
        """k, the number of independent groups."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    @property
    def dependent(self) -> bool:
        """Whether any group has several cases."""
        return self.group_count < len(self)

    @property
    def stratum_count(self) -> int:
        """m, the number of responders; 1 where nobody says who responded."""
        return int(self.strata.max()) + 1 if len(self.strata) else 0

    @property
    def absorbed(self) -> int:
        """Degrees of freedom that the responders' means take, beyond the one of a mean."""
        return max(0, self.stratum_count - 1)

    def centred(self, values: Floats) -> Floats:
        """Values less the mean of their responder, plus the mean of all; as given where there is
        one responder.

        Args:
            values: of every case, [n, ...].
        """
        if self.stratum_count < 2:
            return values
        counts = np.bincount(self.strata)
        sums = np.zeros((len(counts), *values.shape[1:]))
        np.add.at(sums, self.strata, values)
        means = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
        found: Floats = values - means[self.strata] + values.mean(axis=0)
        return found

    def within_responders(self) -> Cases:
        """The cases with the differences between responders taken out of x and y."""
        if self.stratum_count < 2:
            return self
        return dataclasses.replace(self, x=self.centred(self.x), y=self.centred(self.y))

    def pooled(self) -> Cases:
        """The cases as if one responder had given all responses."""
        return dataclasses.replace(self, responders=(), strata=np.zeros(len(self), np.intp))

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
            np.unique(self.strata[places], return_inverse=True)[1],
        )


def group_numbers(names: Sequence[str]) -> Integers:
    """Names as 0..k-1 in the order of their sorted names, [n]."""
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([place[name] for name in names], np.intp)
