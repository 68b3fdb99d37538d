"""What was fitted to responses in an earlier run and taken from it, as a method would return it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.behaviour import Behaviour
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.vectors.fitting import Fitted
from backend.core.vectors.methods import Method
from backend.store.run import Run


def kept_probes(
    run: Run, trait: str, layer: int, methods: Sequence[Method], behaviour: Behaviour
) -> dict[str, Fitted]:
    """Method -> what is stored of it at a cell that has not been derived yet; empty for none.

    Args:
        run: being written; what it took from another run is in its tables.
        trait: the trait.
        layer: the layer.
        methods: those that the run has; the ones from prompts are left out.
        behaviour: the cases that enter r.
    """
    fitted = {method.name for method in methods if method.fitted}
    _, count = run.text_counts
    found: dict[str, Fitted] = {}
    for name, kept in run.kept_methods(trait, layer).items():
        if name not in fitted:
            continue
        projections = np.full(count, np.nan)
        for response_id, projection in kept.projections.items():
            projections[response_id] = projection
        if kept.vector is None:
            n = len(behaviour.values)
            r = Estimate.undefined(n, kept.reason or "the probe is undefined")
        else:
            r = pearson(behaviour.cases(behaviour.drift_of(projections)))
        found[name] = Fitted(kept.vector, projections, r)
    return found
