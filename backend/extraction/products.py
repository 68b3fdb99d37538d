"""Products of activations in float64, on the GPU that made them where it is at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def product(left: NDArray[np.floating], right: NDArray[np.floating], device: str) -> Floats:
    """left @ right' in float64, [rows of left, rows of right].

    Args:
        left: [a, d].
        right: [b, d].
        device: from :func:`backend.models.gpus.computing_device`.
    """
    if device == "cpu":
        found: Floats = np.asarray(left, np.float64) @ np.asarray(right, np.float64).T
        return found
    # Imported here: it takes seconds, and without a GPU nothing needs it.
    import torch

    there = [torch.from_numpy(np.ascontiguousarray(x)).to(device).double() for x in (left, right)]
    on_host: Floats = (there[0] @ there[1].T).cpu().numpy()
    return on_host
