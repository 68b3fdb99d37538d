"""What tells one cache from all others, on this machine and elsewhere."""

from __future__ import annotations

import fcntl
import json
import re
import secrets
import socket
from functools import lru_cache
from pathlib import Path

from backend.settings import Settings

_FORM = re.compile(r"[0-9a-f]{8}")
_LONGEST_HOST = 40


@lru_cache(maxsize=1)
def host_name() -> str:
    """This machine's name as part of a worker's, as it was when this process first asked: small
    letters, digits and dashes."""
    plain = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")
    return plain[:_LONGEST_HOST].rstrip("-") or "host"


def cache_id(settings: Settings) -> str:
    """Eight hexadecimal digits, the same for every process on this cache; a copy of the folder in
    another place or on another machine gets digits of its own.

    Args:
        settings: of the cache; its jobs folder exists.
    """
    return _cache_id(settings.jobs, host_name())


@lru_cache(maxsize=64)
def _cache_id(jobs: Path, host: str) -> str:
    path, here = jobs / "cache.json", f"{host}:{jobs.resolve()}"
    with (jobs / "cache.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            said = json.loads(path.read_text("utf-8"))
            if said["of"] == here and _FORM.fullmatch(said["id"]):
                return str(said["id"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass  # none yet, or it is damaged
        made = secrets.token_hex(4)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"id": made, "of": here}), "utf-8")
        draft.replace(path)
        return made
