"""What this machine's CPU computes in hardware, told without importing torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# As Linux names them: Intel and AMD, Intel's tiles, ARM.
_BFLOAT16 = frozenset(("avx512_bf16", "amx_bf16", "bf16"))


@cache
def multiplies_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether products of bfloat16 matrices have units of their own; False where it cannot be told.

    Args:
        cpuinfo: the kernel's description of the CPU.
    """
    if not cpuinfo.exists():
        return False
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    return any(
        not _BFLOAT16.isdisjoint(words.split())
        for name, _, words in lines
        if name.strip() in ("flags", "Features")
    )
