"""A dose-response of no model."""

from __future__ import annotations

import dataclasses

import numpy as np

from backend.store.dated_files import new_name
from backend.store.dose import DoseRecord, Item, Steered


def dose_record(**changed) -> DoseRecord:
    """One of two questions and a pair. Args: fields of another value."""
    name, at = new_name()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3))
    values[1, 2] = np.nan
    made = DoseRecord(
        name=name,
        created_at=at,
        steered=Steered(
            run_id="run-1",
            trait="warmth",
            prompt_set="default",
            layer=4,
            vector="mean_difference",
            named=False,
            model="org/model",
            weights_hash="ab",
            unit="poles",
            unit_size=2.5,
            pole_distance=2.5,
            residual_norm=None,
            mode="add",
            where="both",
            tokens=16,
            temperature=0.0,
            seed=0,
            judge="",
        ),
        strengths=(-1.0, 0.0, 1.0),
        directions=1,
        items=(Item("s1", "g1", "How?"), Item("s2", "g1", "Why?")),
        pairs=(Item("q1", "q1", "A or B"),),
        measures={
            "reading": (values, rng.normal(size=(1, 2, 3))),
            "propensity": (rng.normal(size=(1, 3)), np.full((1, 1, 3), np.nan)),
        },
        answers=(("a", "b", "c"), ("d", "e", "<f>")),
    )
    return dataclasses.replace(made, **changed)
