"""vLLM for CPUs in ``.venv-vllm``, where ``make test`` puts it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from backend.errors import VllmError
from backend.extraction.vllm_process import find_vllm
from tests.support.ray_nodes import parent, processes

_HOST = b"backend.extraction.vllm_host"


def require_vllm() -> None:
    """Skip where there is no vLLM for CPUs; on the machines of continuous integration, fail."""
    try:
        found = find_vllm("")
    except VllmError as fault:
        if os.environ.get("CI") and (sys.platform, platform.machine()) == ("linux", "x86_64"):
            raise
        pytest.skip(f"vLLM for CPUs is not installed: {fault.what}")
    if found.device != "cpu":
        pytest.skip(f"{found.python} has a vLLM for {found.device}; the tests use one for CPUs")


def hosts() -> int:
    """How many processes that run vLLM, started by this one, are alive: tests run side by side."""
    return sum(parent(pid) == os.getpid() and is_host(pid) for pid in processes())


def is_host(pid: int) -> bool:
    """Whether a process runs vLLM."""
    try:
        return _HOST in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
