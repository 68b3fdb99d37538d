"""Files shared by several processes: one lock a name, hashes, and all-or-nothing folders."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock ``name`` in ``folder``; other processes wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def make_whole(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a temporary folder beside ``target`` and rename it; a failure leaves nothing."""
    draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}.draft")
    draft.mkdir(parents=True)
    try:
        fill(draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def weights_hash(folder: Path, sidecars: Path) -> str:
    """Hex sha256 over the contents of a folder's safetensors files, in order of name.

    Kept in a sidecar keyed by path, sizes and times, as hashing gigabytes takes a while.

    Args:
        folder: a model's folder.
        sidecars: where known hashes are kept.
    """
    files = sorted(folder.glob("*.safetensors"))
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:24]
    sidecar = sidecars / f"weights-{key}.sha256"
    if sidecar.exists():
        return sidecar.read_text().strip()
    whole = hashlib.sha256()
    for file in files:
        whole.update(bytes.fromhex(sha256_of(file)))
    sidecars.mkdir(parents=True, exist_ok=True)
    draft = sidecar.with_suffix(f".{uuid.uuid4().hex}")
    draft.write_text(whole.hexdigest())
    draft.replace(sidecar)
    return whole.hexdigest()
