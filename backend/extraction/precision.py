"""What a number type costs in accuracy and wins in time, measured on some texts of a study."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.extraction.engine import Batch, Engine, OpenEngine, Report
from backend.types import Study


@dataclass(frozen=True)
class LayerError:
    """How far activations of one layer are from those in float32.

    Attributes:
        layer: its number; 0 is the embedding output.
        median: over texts, |x - x32| / |x32| in Euclidean length; 0 or more. None where every x32
            is 0.
        largest: of these.
        of_spread: root mean square of |x - x32| over that of x32's distance from the mean text:
            what a direction between texts sees of it. None where no two texts differ.
    """

    layer: int
    median: float | None
    largest: float | None
    of_spread: float | None


@dataclass(frozen=True)
class Pass:
    """Some batches, pooled.

    Attributes:
        activations: [layers, texts, d], float32.
        texts: of the study.
        seconds: in forward passes: of each batch the shorter of two, as other work on the machine
            comes and goes.
        dtype: number type of the weights.
        device: what computed it.
    """

    activations: NDArray[np.float32]
    texts: int
    seconds: float
    dtype: str
    device: str


def sample_of(batches: Sequence[Batch], texts: int) -> tuple[Batch, ...]:
    """Whole batches, evenly spaced in their order, so that short and long texts are among them.

    Args:
        batches: of a study, by length.
        texts: how many texts are wanted at least, where the study has as many; 1 or more.
    """
    # Fewer would be the longest texts alone.
    for count in range(min(3, len(batches)), len(batches) + 1):
        places = np.linspace(0, len(batches) - 1, count).round().astype(int)
        chosen = tuple(batches[place] for place in places)
        if sum(len(batch.texts) for batch in chosen) >= texts:
            return chosen
    return tuple(batches)


def pooled(engine: Engine, study: Study, texts: int, report: Report) -> Pass:
    """Pool some texts of a study.

    Args:
        engine: what pools them.
        study: whose texts.
        texts: how many at least.
        report: told what is being done.

    Raises:
        SteerscopeError: as the engine.
    """
    with engine.opened(study, report) as opened:
        chosen = sample_of(opened.batches, texts)
        opened.pool(chosen[0])  # what is set up with the first pass is no part of a rate
        parts = [_timed(opened, batch) for batch in chosen]
        seconds = sum(
            min(taken, _timed(opened, batch)[1])
            for batch, (_, taken) in zip(chosen, parts, strict=True)
        )
        record, whole = opened.record, sum(len(batch.texts) for batch in opened.batches)
    return Pass(
        np.concatenate([found for found, _ in parts], axis=1),
        whole,
        seconds,
        record.dtype,
        record.device,
    )


def layer_errors(
    layers: Sequence[int], exact: NDArray[np.float32], other: NDArray[np.float32]
) -> tuple[LayerError, ...]:
    """How far activations are from those in float32, layer by layer.

    Args:
        layers: their numbers.
        exact: [layers, texts, d], in float32.
        other: the same texts in another number type.
    """
    return tuple(
        _layer_error(layer, true.astype(np.float64), seen)
        for layer, true, seen in zip(layers, exact, other, strict=True)
    )


def _layer_error(layer: int, exact: NDArray[np.float64], other: NDArray[np.float32]) -> LayerError:
    off = np.linalg.norm(other - exact, axis=1)
    length = np.linalg.norm(exact, axis=1)
    relative = off[length > 0] / length[length > 0]
    spread = np.linalg.norm(exact - exact.mean(axis=0), axis=1)
    return LayerError(
        layer,
        float(np.median(relative)) if relative.size else None,
        float(relative.max()) if relative.size else None,
        float(np.sqrt(np.mean(off**2) / np.mean(spread**2))) if spread.any() else None,
    )


def _timed(opened: OpenEngine, batch: Batch) -> tuple[NDArray[np.float32], float]:
    started = time.perf_counter()
    found = opened.pool(batch).activations
    return found, time.perf_counter() - started
