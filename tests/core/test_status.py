"""Status by the study's thresholds."""

from __future__ import annotations

import pytest

from backend.core.status import count_statuses, status_of
from backend.settings import StatusThresholds


@pytest.mark.parametrize(
    ("r", "status"),
    [
        (0.31, "working"),
        (0.3, "close"),
        (0.2, "close"),
        (0.19, "failed"),
        (-0.9, "failed"),
        (None, "undefined"),
    ],
)
def test_status_by_the_studys_thresholds(r, status):
    assert status_of(r, StatusThresholds()) == status


def test_every_status_is_counted_and_those_without_any_are_zero():
    counts = count_statuses([0.5, 0.9, None], StatusThresholds())
    assert counts == {"working": 2, "close": 0, "failed": 0, "undefined": 1}
