"""What was fitted to responses in an earlier run and taken from it, as a method would return it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.core.behaviour import Behaviour
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.vectors.fitting import Fitted
from backend.core.vectors.methods import Method
from backend.store.run import Run
from backend.store.run_values import KeptMethod

# Projections that are held at a time, about.
HELD = 2**22


class KeptProbes:
    """What is stored of methods that are fitted to responses at cells that are to be derived.

    Args:
        run: that has the rows: the one being written, or the one they are taken from.
        layers: that will be asked for, in this order.
        traits: of which nothing is derived yet at these layers.
        methods: of the new run; the ones from prompts are left out.
        behaviours: of every trait, the cases that enter r.
    """

    def __init__(
        self,
        run: Run,
        layers: Sequence[int],
        traits: Sequence[str],
        methods: Sequence[Method],
        behaviours: Mapping[str, Behaviour],
    ) -> None:
        self._run, self._layers, self._traits = run, layers, traits
        self._methods = [method.name for method in methods if method.fitted]
        self._behaviours = behaviours
        self._found: dict[tuple[str, str, int], KeptMethod] = {}
        self._read: Sequence[int] = ()

    def at(self, layer: int) -> dict[tuple[str, str], Fitted]:
        """(method, trait) -> it, as the method would return it; empty for none.

        Args:
            layer: one of the layers.
        """
        if layer not in self._read:
            _, count = self._run.text_counts
            numbers = max(1, len(self._traits) * len(self._methods) * count)
            place = self._layers.index(layer)
            # Several layers by one query: each takes as long as the statistics of a small layer.
            self._read = self._layers[place : place + max(1, HELD // numbers)]
            self._found = self._run.kept_methods(self._traits, self._read, self._methods)
        return {
            (method, trait): _fitted(kept, self._behaviours[trait])
            for (method, trait, at), kept in self._found.items()
            if at == layer
        }


def _fitted(kept: KeptMethod, behaviour: Behaviour) -> Fitted:
    if kept.vector is None:
        n = len(behaviour.values)
        r = Estimate.undefined(n, kept.reason or "the probe is undefined")
    else:
        r = pearson(behaviour.cases(behaviour.drift_of(kept.projections)))
    return Fitted(kept.vector, kept.projections, r)
