"""Whether this machine has GPUs of CUDA, told without importing torch where it has none."""

from __future__ import annotations

import sys
from pathlib import Path

# A machine without any of these has no CUDA device (nor ROCm's, which torch calls cuda too).
_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


def may_have_cuda() -> bool:
    """Whether this machine may have a CUDA device; torch is not asked."""
    if sys.platform == "darwin":
        return False
    return sys.platform != "linux" or any(Path(node).exists() for node in _NODES)


def computing_device(made_on: str) -> str:
    """Where activations that were made on a device, perhaps another machine's, are computed with:
    on that GPU, or one of as many here; on the CPU where there is none.

    Args:
        made_on: as in a run's provenance, such as cpu, cuda:1 or cuda (2 GPUs).
    """
    # MPS has no float64.
    if not made_on.startswith("cuda") or not may_have_cuda():
        return "cpu"
    # Imported here: it takes seconds, and without a GPU nothing needs it.
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = made_on.partition(" ")[0]
    if int(name.partition(":")[2] or 0) < count:
        return name
    return "cuda" if count else "cpu"
