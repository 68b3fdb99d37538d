"""A snapshot of a Hugging Face repository: weights as safetensors, and never code or pickles."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)
from huggingface_hub.utils import disable_progress_bars

from backend.errors import GatedModel, HubUnreachable, ModelError, ModelNotFound, UnsafeCheckpoint
from backend.models.download_progress import bytes_in, watched
from backend.models.files import weight_files

ALLOWED = ("*.safetensors", "*.json", "tokenizer.model", "*.txt", "*.jinja")
# Other formats of the same weights, in folders or beside the shards that transformers reads.
IGNORED = ("*/*", "consolidated*")
TIMEOUT_SECONDS = 5.0
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit on this machine. Attributes: folder and revision (commit)."""

    folder: Path
    revision: str


def snapshot(
    hub_id: str,
    revision: str | None,
    progress: Callable[[str, float | None], None] = lambda _stage, _fraction: None,
) -> Snapshot:
    """The repository's files, downloaded into the usual Hugging Face cache if not there yet.

    Args:
        hub_id: org/name.
        revision: branch, tag or commit; None for the default branch. A full commit that is
            cached is used without asking the Hub; anything cached, if the Hub refuses or does
            not answer within seconds.
        progress: called with (what is happening, fraction of the bytes).

    Raises:
        HubUnreachable: the Hub does not answer and the repository is not cached.
        GatedModel: access has not been granted.
        ModelNotFound: there is no such repository or revision, or it holds no weights.
        UnsafeCheckpoint: it has weights, but none as safetensors.
        ModelError: the cache cannot be written.
    """
    disable_progress_bars()
    try:
        if revision is not None and _COMMIT.fullmatch(revision):
            kept = cached(hub_id, revision)
            if kept is not None:
                return kept
        try:
            wanted = _ask(hub_id, revision)
            found = watched(
                lambda: _snapshot(hub_id, revision, local=False),
                lambda: _fraction(hub_id, wanted),
                f"fetching {hub_id} from the Hub",
                progress,
            )
        except (HTTPError, OSError, XetDownloadError) as fault:
            kept = cached(hub_id, revision)
            if kept is None:
                raise _explained(hub_id, revision, fault) from fault
            found = kept
    except HFValidationError as fault:
        raise ModelNotFound(
            f"{hub_id!r} is no name of a Hub repository: {fault}",
            expected="org/name or org/name@revision.",
            remedy="check the spelling.",
        ) from fault
    if not weight_files(found.folder):
        raise _no_safetensors(hub_id)
    return found


def _ask(hub_id: str, revision: str | None) -> dict[str, int]:
    """Size of each wanted file by its name in the cache; empty in offline mode.

    snapshot_download asks the same, but would wait for ever for a Hub that does not answer.
    """
    try:
        info = huggingface_hub.HfApi().model_info(
            hub_id, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    except OfflineModeIsEnabled:
        return {}
    files: list[Any] = list(info.siblings or ())
    names = [str(file.rfilename) for file in files]
    wanted = [file for file, name in zip(files, names, strict=True) if _is_wanted(name)]
    if not any(str(file.rfilename).endswith(".safetensors") for file in wanted):
        raise _no_safetensors(hub_id, names)
    return {
        str(file.lfs.sha256 if file.lfs is not None else file.blob_id): int(file.size or 0)
        for file in wanted
    }


def _is_wanted(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in ALLOWED) and not any(
        fnmatch(name, pattern) for pattern in IGNORED
    )


def _fraction(hub_id: str, wanted: dict[str, int]) -> float | None:
    total = sum(wanted.values())
    if not total:
        return None
    repository = f"models--{hub_id.replace('/', '--')}"
    blobs = Path(huggingface_hub.constants.HF_HUB_CACHE) / repository / "blobs"
    return min(1.0, bytes_in(blobs, tuple(f"{name}*" for name in wanted)) / total)


def cached(hub_id: str, revision: str | None) -> Snapshot | None:
    """What the Hugging Face cache holds of a repository, if that is a whole model.

    Nothing is asked of the Hub.
    """
    try:
        found = _snapshot(hub_id, revision, local=True)
    except LocalEntryNotFoundError:
        return None
    weights = weight_files(found.folder)
    whole = weights and all(file.exists() for file in weights)
    return found if whole and (found.folder / "config.json").exists() else None


def _snapshot(hub_id: str, revision: str | None, *, local: bool) -> Snapshot:
    folder = Path(
        huggingface_hub.snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=list(ALLOWED),
            ignore_patterns=list(IGNORED),
            local_files_only=local,
            etag_timeout=TIMEOUT_SECONDS,
        )
    )
    return Snapshot(folder, folder.name)


def _explained(hub_id: str, revision: str | None, fault: Exception) -> ModelError:
    status = fault.response.status_code if isinstance(fault, HfHubHTTPError) else None
    refused = not isinstance(fault, DisabledRepoError | RepositoryNotFoundError)
    if isinstance(fault, GatedRepoError) or (refused and status in (401, 403)):
        return GatedModel(
            f"The Hub does not give {hub_id} to you.",
            expected="an account whose access to this gated model was granted, and its token.",
            remedy=f"ask for access on https://huggingface.co/{hub_id}, then: hf auth login (or "
            "set HF_TOKEN).",
        )
    if isinstance(fault, RepositoryNotFoundError | RevisionNotFoundError | DisabledRepoError):
        at = f" at revision {revision!r}" if revision else ""
        return ModelNotFound(
            f"The Hub has no {hub_id}{at} that you may see.",
            expected="an existing repository, as org/name or org/name@revision.",
            remedy="check the spelling; for a private repository log in: hf auth login.",
        )
    reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    if isinstance(fault, OSError) and fault.errno in _DISK:
        return ModelError(
            f"{hub_id} cannot be written to the Hugging Face cache: {reason}",
            expected=f"room and leave to write below {huggingface_hub.constants.HF_HUB_CACHE}.",
            remedy="free disk space, or set HF_HOME to a folder on another disk.",
        )
    return HubUnreachable(
        f"The Hugging Face Hub cannot be reached for {hub_id} ({reason}), and it is not in "
        "the local cache.",
        expected="a reachable Hub, or a filled cache.",
        remedy="connect, set HF_HOME to a filled cache, or name a local folder or .gguf file.",
    )


def _no_safetensors(hub_id: str, names: list[str] | None = None) -> ModelError:
    if names is None or any(name.endswith(_PICKLES) for name in names):
        return UnsafeCheckpoint(
            f"{hub_id} has no safetensors weights.",
            expected="*.safetensors; pickle files (.bin, .pt) can run code when opened.",
            remedy="choose a repository or revision with safetensors, or convert it first.",
        )
    ggufs = [name for name in names if name.endswith(".gguf")]
    return ModelNotFound(
        f"{hub_id} has no safetensors weights{' but GGUF files' if ggufs else ''}.",
        expected="a repository with *.safetensors at its top.",
        remedy=f"download {ggufs[0]} from it and name that file as the model."
        if ggufs
        else "check that this is a repository of a whole model, not of an adapter or data.",
    )
