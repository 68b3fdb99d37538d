"""Keep no more of a model's weights in memory than the pass through it needs at a time.

Weights that transformers reads from safetensors are a view of the file. The operating system loads
a page of it when it is first used and counts it as memory of this process from then on, though it
could read it again at any time. Blocks that were run once, to see that they can be read, and
weights that oneDNN holds in its own form need not stay.
"""

from __future__ import annotations

import bisect
import ctypes
import mmap
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

_SMAPS = Path("/proc/self/smaps")
_DONTNEED = 4  # MADV_DONTNEED of Linux


class FileViews:
    """Where this process sees files that it has not changed, as of now.

    Only of these may a page be let go: it is read from its file when it is next used. A page that
    was written to is this process's own, so a view with any such page is left out as a whole.
    On systems other than Linux there are none.
    """

    def __init__(self) -> None:
        self._spans = _unchanged() if sys.platform == "linux" and _SMAPS.exists() else []

    def let_go(self, tensor: torch.Tensor) -> bool:
        """Let go of the memory of a tensor whose storage is such a view; else nothing happens.

        The tensor stays as it is. Pages at its ends, which others share, stay too.

        Args:
            tensor: on the CPU, contiguous; any other is left alone.

        Returns:
            Whether it is such a view, so that keeping the tensor costs no memory.
        """
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return False
        size = tensor.numel() * tensor.element_size()
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (tensor.data_ptr() + size) // mmap.PAGESIZE * mmap.PAGESIZE
        place = bisect.bisect(self._spans, (start, sys.maxsize)) - 1
        if end <= start or place < 0 or end > self._spans[place][1] or not tensor.is_contiguous():
            return False
        # Advice: where it is not taken, nothing is lost but memory.
        _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)
        return True


@contextmanager
def passing_through(modules: Sequence[nn.Module]) -> Iterator[None]:
    """While the context lasts, let go of the weights of each module when it has run.

    Args:
        modules: of one model, whose weights do not change meanwhile.
    """
    views = FileViews()

    def leave(module: nn.Module, _args: Any, _output: Any) -> None:
        for weight in module.parameters():
            views.let_go(weight.data)

    handles = [module.register_forward_hook(leave) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _unchanged() -> list[tuple[int, int]]:
    """Spans of private views of files without a page of this process's own, ascending."""
    found: list[tuple[int, int]] = []
    span = None
    for line in _SMAPS.read_text(errors="replace").splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            fields = line.split(maxsplit=5)
            start, end = (int(one, 16) for one in fields[0].split("-"))
            # inode 0: no file
            span = (start, end) if fields[1].endswith("p") and fields[4] != "0" else None
        elif name == "Anonymous:" and span is not None and rest.split()[0] == "0":
            found.append(span)
    return found
