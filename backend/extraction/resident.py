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
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

_MAPS, _SMAPS = Path("/proc/self/maps"), Path("/proc/self/smaps")
_DONTNEED = 4  # MADV_DONTNEED of Linux
# Below this many bytes (norms, biases) a tensor is not worth asking for.
_WORTH = 64 * 2**10


class FileViews:
    """Where this process sees files that it has not changed, as of the first time it is asked.

    Only of these may a page be let go: it is read from its file when it is next used. A page that
    was written to is this process's own, so a view with any such page is left out as a whole.
    On systems other than Linux there are none.
    """

    @cached_property
    def _views(self) -> list[tuple[int, int]]:
        """Of any file, changed or not: a list that the system gives at once."""
        return _spans(_MAPS) if sys.platform == "linux" and _SMAPS.exists() else []

    @cached_property
    def _unchanged(self) -> list[tuple[int, int]]:
        """For this list the system looks at every page of the process, which takes a while."""
        return _spans(_SMAPS, unchanged=True)

    def let_go(self, tensor: torch.Tensor) -> bool:
        """Let go of the memory of a tensor whose storage is such a view; else nothing happens.

        The tensor stays as it is. Pages at its ends, which others share, stay too.

        Args:
            tensor: on the CPU, contiguous, of 64 KiB or more; any other is left alone.

        Returns:
            Whether it is such a view, so that keeping the tensor costs no memory.
        """
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return False
        size = tensor.numel() * tensor.element_size()
        if size < _WORTH or not tensor.is_contiguous():
            return False
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (tensor.data_ptr() + size) // mmap.PAGESIZE * mmap.PAGESIZE
        if not (_holds(self._views, start, end) and _holds(self._unchanged, start, end)):
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


def _holds(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether one of some ascending spans holds all from start to end."""
    place = bisect.bisect(spans, (start, sys.maxsize)) - 1
    return place >= 0 and end <= spans[place][1]


def _spans(listing: Path, *, unchanged: bool = False) -> list[tuple[int, int]]:
    """Spans of private views of files, ascending.

    Args:
        listing: of this process's memory.
        unchanged: only those without a page of this process's own, which ``smaps`` tells.
    """
    found: list[tuple[int, int]] = []
    span = None
    for line in listing.read_text(errors="replace").splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            fields = line.split(maxsplit=5)
            start, end = (int(one, 16) for one in fields[0].split("-"))
            # inode 0: no file
            span = (start, end) if fields[1].endswith("p") and fields[4] != "0" else None
            if span is not None and not unchanged:
                found.append(span)
        elif unchanged and name == "Anonymous:" and span is not None and rest.split()[0] == "0":
            found.append(span)
    return found
