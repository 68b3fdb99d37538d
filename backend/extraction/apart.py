"""Run a model's own text code, its tokenizer and chat template, where it can be stopped.

Both come with the model, from anybody. A template can loop for ever and a tokenizer's expression
can take for ever, or end its process; neither can be interrupted from another thread. So they run
in a copy of this process, with a limit on its time and memory, and what it finds is sent back.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from backend.errors import ExtractionError, SteerscopeError

T = TypeVar("T")
# Processor time. A thousand long responses take two seconds.
CPU_SECONDS = 120
# Also one that sleeps, or waits for what it will never get, is ended.
WALL_SECONDS = 20 * 60.0
MEMORY_BYTES = 4 * 2**30
_ASK_SECONDS = 0.2


def apart(
    work: Callable[[], T],
    model: str,
    waiting: Callable[[], object],
    *,
    cpu_seconds: int | None = None,
    wall_seconds: float | None = None,
) -> T:
    """What ``work`` returns, computed in a copy of this process that is ended at its limits.

    On macOS a process that has used its graphics libraries cannot be copied safely, so there the
    work is done here, without limits.

    Args:
        work: uses a tokenizer; what it returns can be pickled.
        model: whose tokenizer and template it uses, for people.
        waiting: called several times a second; what it raises ends the work.
        cpu_seconds: limit of processor time; None for ``CPU_SECONDS``.
        wall_seconds: limit of time; None for ``WALL_SECONDS``.

    Raises:
        SteerscopeError: what the work raised.
        ExtractionError: it came to no end within its limits, or ended its process.
    """
    if sys.platform == "darwin":
        return work()
    cpu = CPU_SECONDS if cpu_seconds is None else cpu_seconds
    deadline = time.monotonic() + (WALL_SECONDS if wall_seconds is None else wall_seconds)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(work, sender, cpu), daemon=True)
    child.start()
    sender.close()
    try:
        while not receiver.poll(_ASK_SECONDS):
            waiting()
            if time.monotonic() > deadline:
                raise _no_end(model)
        try:
            kind, found = receiver.recv()
        except EOFError:
            child.join()
            raise _ended(model, child.exitcode) from None
    finally:
        child.kill()
        child.join()
        receiver.close()
    if kind == "found":
        result: T = found
        return result
    raise _told(kind, found, model)


def _child(work: Callable[[], object], sender: Connection, cpu_seconds: int) -> None:
    """The copy's whole life. What it sends is (kind, what)."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    limit = _address_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    message: tuple[str, Any]
    try:
        message = ("found", work())
    except SteerscopeError as fault:
        message = ("fault", (type(fault), fault.what, fault.expected, fault.remedy))
    except MemoryError:
        message = ("memory", "")
    except BaseException as fault:  # noqa: BLE001  A tokenizer's panic is no Exception.
        message = (_kind(fault), "".join(traceback.format_exception(fault)))
    sender.send(message)
    sender.close()


def _kind(fault: BaseException) -> str:
    return "panic" if is_panic(fault) else "error"


def is_panic(fault: BaseException) -> bool:
    """Whether a library written in Rust has given up; such a fault is no ``Exception``."""
    return type(fault).__module__ == "pyo3_runtime"


def _address_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


def _told(kind: str, found: Any, model: str) -> Exception:
    """The error of a message that tells no result."""
    if kind == "fault":
        of_type, what, expected, remedy = found
        error: SteerscopeError = of_type(what, expected=expected, remedy=remedy)
        return error
    if kind == "memory":
        return _unfit(
            f"The tokenizer or chat template of {model} took more than "
            f"{MEMORY_BYTES // 2**30} GiB of memory"
        )
    if kind == "panic":
        why = found.strip().splitlines()[-1]
        return _unfit(f"The tokenizer of {model} gave up: {why}")
    return RuntimeError(f"while tokenising:\n{found}")


def _no_end(model: str) -> ExtractionError:
    return _unfit(f"The tokenizer or chat template of {model} came to no end, and was stopped")


def _ended(model: str, status: int | None) -> ExtractionError:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return _no_end(model)
    return _unfit(f"The tokenizer of {model} ended its process (status {status})")


def _unfit(what: str) -> ExtractionError:
    return ExtractionError(
        f"{what}.",
        expected="a tokenizer and a chat template that read every text of the study in seconds.",
        remedy="get the model anew from a source you trust, or use another model.",
    )
