"""How much memory is free for a model's weights."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_V1 = _CGROUP / "memory"
# What this process holds for later and lets go when weights do not fit otherwise: each is called,
# and frees what it can at once.
SPARE: list[Callable[[], None]] = []


def free_bytes(device: str) -> int | None:
    """Free memory of a device, cgroup limits included; None where it cannot be told."""
    if device.startswith("cuda"):
        import torch  # here, so that what asks for the machine's memory alone needs no torch

        try:
            return int(torch.cuda.mem_get_info(torch.device(device))[0])
        except RuntimeError:
            # It is another process's alone, or has not even room to be asked.
            return 0
    if device != "cpu":
        return None
    known = [free for free in (_of_machine(), _of_cgroup()) if free is not None]
    return min(known, default=None)


def free_unused() -> None:
    """Free what nothing uses: a model on several GPUs refers to itself, and of what is freed on a
    GPU torch keeps the memory."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _of_machine() -> int | None:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_cgroup() -> int | None:
    """What a container's limit leaves; file pages that can be dropped count as free."""
    for folder, limit, usage, droppable in (
        (_CGROUP, "memory.max", "memory.current", "inactive_file"),
        (_V1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            allowed = int((folder / limit).read_text())
            used = int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # no such cgroup, or the limit is "max"
            continue
        stat = dict(line.split(maxsplit=1) for line in lines if " " in line)
        return max(0, allowed - used + int(stat.get(droppable, 0)))
    return None
