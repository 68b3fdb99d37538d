"""Products of activations in float64, on the GPU that made them where it is at hand."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
logger = logging.getLogger("steerscope.extraction")


def product(left: NDArray[np.floating], right: NDArray[np.floating], device: str) -> Floats:
    """left @ right' in float64, [rows of left, rows of right].

    Args:
        left: [a, d].
        right: [b, d].
        device: from :func:`backend.models.gpus.computing_device`; where a GPU cannot be used, as
            others have filled it, the CPU is.
    """
    if device != "cpu":
        try:
            return _on_gpu(left, right, device)
        except RuntimeError as fault:
            logger.warning("Products are computed on the CPU, as %s cannot: %s", device, fault)
    found: Floats = np.asarray(left, np.float64) @ np.asarray(right, np.float64).T
    return found


def _on_gpu(left: NDArray[np.floating], right: NDArray[np.floating], device: str) -> Floats:
    # Imported here: it takes seconds, and without a GPU nothing needs it.
    import torch

    there = [torch.from_numpy(np.ascontiguousarray(x)).to(device).double() for x in (left, right)]
    found: Floats = (there[0] @ there[1].T).cpu().numpy()
    return found
