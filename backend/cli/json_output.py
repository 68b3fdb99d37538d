"""Values as JSON: what the commands have printed since before estimates said how their intervals
were made, so that what reads it goes on working."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from backend.core.estimate import Estimate


def to_json(value: object) -> Any:
    """A value as ``json.dumps`` takes it.

    Args:
        value: dataclasses, estimates, mappings and sequences, nested; anything else is kept.

    Returns:
        Dicts and lists; an estimate without how its interval was made.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        if isinstance(value, Estimate):
            names.remove("interval_method")
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def correlation_json(estimate: Estimate) -> dict[str, float | int | str | None]:
    """An estimate that is a correlation: n, r, low, high, p, reason, effective and groups."""
    return {
        "n": estimate.n,
        "r": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "p": estimate.p,
        "reason": estimate.reason,
        "effective": estimate.effective,
        "groups": estimate.groups,
    }


def measure_json(estimate: Estimate) -> dict[str, float | str | None]:
    """An estimate that is a metric of prompts: value and reason."""
    return {"value": estimate.value, "reason": estimate.reason}
