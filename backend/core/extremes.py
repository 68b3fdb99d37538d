"""The largest and smallest of many numbers that come in parts, with their mean and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats, Integers


@dataclass(frozen=True, eq=False)
class Extremes:
    """What is kept of several columns of numbers.

    Attributes:
        count: numbers of each column.
        means: of each column, [k].
        deviations: standard deviation of each column over all its numbers, [k].
        top: places of the largest numbers, largest first, [k, most].
        top_values: those numbers, [k, most].
        bottom: places of the smallest numbers, smallest first, [k, most].
        bottom_values: those numbers, [k, most].
    """

    count: int
    means: Floats
    deviations: Floats
    top: Integers
    top_values: Floats
    bottom: Integers
    bottom_values: Floats


class ExtremesOf:
    """Collects :class:`Extremes` part by part, so that the columns are never held whole.

    Args:
        most: how many of the largest and of the smallest are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._sums = self._squares = self._shift = np.zeros(0)
        self._places, self._values = np.zeros((0, 0), np.intp), np.zeros((0, 0))
        self._low_places, self._low_values = np.zeros((0, 0), np.intp), np.zeros((0, 0))

    def add(self, values: Floats) -> None:
        """The next numbers of every column.

        Args:
            values: [rows, k]; at least one row.
        """
        rows, columns = values.shape
        if not self._count:
            # Sums of squares of what is near zero lose no digits.
            self._shift = values.mean(axis=0)
            self._sums, self._squares = np.zeros(columns), np.zeros(columns)
            self._places = self._low_places = np.zeros((columns, 0), np.intp)
            self._values = self._low_values = np.zeros((columns, 0))
        centred = values - self._shift
        self._sums = self._sums + centred.sum(axis=0)
        self._squares = self._squares + np.square(centred).sum(axis=0)
        places = np.broadcast_to(np.arange(self._count, self._count + rows), (columns, rows))
        self._places, self._values = self._kept(self._places, self._values, places, values.T)
        low, negative = self._kept(self._low_places, -self._low_values, places, -values.T)
        self._low_places, self._low_values = low, -negative
        self._count += rows

    def found(self) -> Extremes:
        """What has been collected; at least one row was added."""
        means = self._sums / self._count
        spread = np.maximum(self._squares / self._count - np.square(means), 0.0)
        return Extremes(
            self._count,
            means + self._shift,
            np.sqrt(spread),
            self._places,
            self._values,
            self._low_places,
            self._low_values,
        )

    def _kept(
        self, places: Integers, values: Floats, new_places: Integers, new_values: Floats
    ) -> tuple[Integers, Floats]:
        """The largest of those kept and the new ones; of equal ones the earlier places."""
        every_place = np.concatenate([places, new_places], axis=1)
        every = np.concatenate([values, new_values], axis=1)
        order = np.argsort(-every, axis=1, kind="stable")[:, : self._most]
        return np.take_along_axis(every_place, order, 1), np.take_along_axis(every, order, 1)
