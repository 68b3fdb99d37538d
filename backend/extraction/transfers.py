"""Copies between the host and a device that neither of them waits for.

A plain copy makes the host wait until a GPU has done all that it was given, so the GPU has nothing
to do while the next batch is made ready. From and to pinned memory, a copy is one more piece of the
GPU's own queue.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def sent(host: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device.

    Args:
        host: on the CPU; may be changed or dropped at once.
        device: where it is wanted. On CUDA, nothing waits for the copy.
    """
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)


def fetched(there: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Begin to copy a tensor to the host.

    Args:
        there: on any device; what is queued after this may overwrite it.

    Returns:
        Waits for the copy, and gives it. Only on CUDA is there something to wait for.
    """
    pinned = _pinned_like(there)
    if pinned is None:
        here = there.cpu()
        return lambda: here
    pinned.copy_(there, non_blocking=True)
    done = torch.cuda.current_stream(there.device).record_event()

    def waited() -> torch.Tensor:
        done.synchronize()
        return pinned

    return waited


def _pinned_like(there: torch.Tensor) -> torch.Tensor | None:
    """Room for a tensor in pinned memory; None where it is on no GPU, or the host has none left."""
    if there.device.type != "cuda":
        return None
    try:
        return torch.empty(there.shape, dtype=there.dtype, pin_memory=True)
    except RuntimeError:
        return None
