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
    entries = _entries(cpuinfo)
    words = {word for name in ("flags", "Features") for word in entries.get(name, "").split()}
    return not _BFLOAT16.isdisjoint(words)


@cache
def is_of_intel(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether Intel made the CPU; False where it cannot be told.

    Args:
        cpuinfo: the kernel's description of the CPU.
    """
    return _entries(cpuinfo).get("vendor_id") == "GenuineIntel"


def _entries(cpuinfo: Path) -> dict[str, str]:
    """Name -> value, as of the last core that has it; empty where there is no such file."""
    if not cpuinfo.exists():
        return {}
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
