"""One layer to be derived: what it is derived from, wherever that is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.core.arrays import Floats
from backend.core.vectors.fitting import Fitted
from backend.core.vectors.methods import Method
from backend.extraction.engine import Report
from backend.models.gpus import computing_device
from backend.runs.columns import TableChunks
from backend.runs.layer_data import LayerData, layer_data
from backend.types import Study

# Responses of so many numbers are read once; more are read again for each pass over them.
HELD = 2**25


@dataclass(frozen=True)
class LayerTask:
    """What is to be derived of one layer.

    Attributes:
        layer: the layer.
        prompts: activations of all prompts of the study, [n, d].
        stored: gives the activations of all responses in chunks of rows, float32, in the study's
            order.
        device: that made the activations.
        traits: those that are derived.
        kept: (method, trait) -> what was fitted to responses before.
    """

    layer: int
    prompts: Floats
    stored: Callable[[], Iterator[np.ndarray]]
    device: str
    traits: tuple[str, ...]
    kept: Mapping[tuple[str, str], Fitted]


class Deriver(Protocol):
    """Who derives layers."""

    def tables(
        self,
        layers: Sequence[int],
        task: Callable[[int], LayerTask],
        waiting: Callable[[], None],
    ) -> TableChunks:
        """Everything stored of the first of some layers.

        Args:
            layers: the one that is wanted now, and those that will be next, which may be begun.
            task: reads a layer.
            waiting: called about each second that another process has to be waited for; what it
                raises ends the waiting.

        Raises:
            SteerscopeError: it cannot be derived there.
        """
        ...


# Opens who derives, for a study, methods, and the device that products are computed on; the report
# is told what is waited for.
OpenDeriver = Callable[[Study, Sequence[Method], str, Report], AbstractContextManager[Deriver]]


def read_layer(task: LayerTask, study: Study, *, probes: bool = True) -> LayerData:
    """Reduce the activations of a layer to inner products.

    Args:
        task: the layer.
        study: whose activations they are.
        probes: whether probes will be fitted.
    """

    def chunks() -> Iterator[Floats]:
        return (part.astype(np.float64) for part in task.stored())

    device = computing_device(task.device)
    wanted = np.array([i for i, p in enumerate(study.prompts) if p.trait in task.traits], np.intp)
    if len(study.responses) * task.prompts.shape[1] > HELD:
        return layer_data(task.prompts, chunks, study, device, wanted, probes=probes)
    held = tuple(chunks())
    return layer_data(task.prompts, lambda: iter(held), study, device, wanted, probes=probes)


def without_texts(study: Study) -> Study:
    """A study without what deriving does not use, which is most of its size.

    Args:
        study: of a run.
    """
    return dataclasses.replace(
        study,
        prompts=tuple(dataclasses.replace(own, text="", messages=()) for own in study.prompts),
        responses=tuple(dataclasses.replace(own, text="", messages=()) for own in study.responses),
    )
