"""Files shared by several processes: one lock a name, hashes, and all-or-nothing folders."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backend.errors import ModelError

# What says that a folder holds an adapter, alone or left behind beside the merged model.
ADAPTER = "adapter_config.json"
# Kind of the sidecar that keeps the hash of a folder's weights.
WEIGHTS = "weights"


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
    """Fill a temporary folder beside ``target`` and rename it; a failure leaves nothing.

    Call it under the lock of that name: what a killed process left behind is removed first.
    """
    for stale in target.parent.glob(f"{target.name}.*.draft"):
        shutil.rmtree(stale, ignore_errors=True)
    draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}.draft")
    draft.mkdir(parents=True)
    try:
        fill(draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that transformers reads from a folder, in order of name.

    These are model.safetensors, else what model.safetensors.index.json lists (whether or not it
    is there), else every safetensors file that is no adapter's.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return (single,)
    if index.exists():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise ModelError(
                f"{index} is damaged: {fault!r}.",
                expected="the list of shards that transformers writes.",
                remedy="download the file again.",
            ) from fault
        return tuple(folder / Path(str(name)).name for name in sorted(shards))
    found = sorted(folder.glob("*.safetensors"))
    return tuple(file for file in found if not file.name.startswith("adapter_"))


def weights_hash(folder: Path, sidecars: Path) -> str:
    """Hex sha256 over the sha256 of each of a folder's weight files, in order of name.

    Kept in a sidecar keyed by path, sizes and times, as hashing gigabytes takes a while.

    Args:
        folder: a model's folder.
        sidecars: where known hashes are kept.
    """
    return known_hash(weight_files(folder), sidecars, WEIGHTS, _hash_of_hashes)


def known_hash(
    files: Sequence[Path], sidecars: Path, kind: str, compute: Callable[[Sequence[Path]], str]
) -> str:
    """``compute(files)``, computed once for as long as the files' sizes and times stay."""
    sidecar = _sidecar(files, sidecars, kind)
    if sidecar.exists():
        return sidecar.read_text().strip()
    found = compute(files)
    sidecars.mkdir(parents=True, exist_ok=True)
    draft = sidecar.with_suffix(f".{uuid.uuid4().hex}")
    draft.write_text(found)
    draft.replace(sidecar)
    return found


def remembered_hash(files: Sequence[Path], sidecars: Path, kind: str) -> str | None:
    """What :func:`known_hash` would give at once; None where it would have to compute it.

    Args:
        files: all of them exist.
        sidecars: where known hashes are kept.
        kind: what was computed.
    """
    sidecar = _sidecar(files, sidecars, kind)
    return sidecar.read_text().strip() if sidecar.exists() else None


def _sidecar(files: Sequence[Path], sidecars: Path, kind: str) -> Path:
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:24]
    return sidecars / f"{kind}-{key}.sha256"


def _hash_of_hashes(files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(bytes.fromhex(sha256_of(file)))
    return whole.hexdigest()
