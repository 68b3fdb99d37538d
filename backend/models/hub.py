"""A snapshot of a Hugging Face repository: weights as safetensors, and never code or pickles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from backend.errors import GatedModel, HubUnreachable, ModelNotFound, UnsafeCheckpoint

ALLOWED = ("*.safetensors", "*.json", "tokenizer.model", "*.txt", "*.jinja")
TIMEOUT_SECONDS = 5.0
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit on this machine. Attributes: folder and revision (commit)."""

    folder: Path
    revision: str


def snapshot(hub_id: str, revision: str | None) -> Snapshot:
    """The repository's files, downloaded into the usual Hugging Face cache if not there yet.

    Args:
        hub_id: org/name.
        revision: branch, tag or commit; None for the default branch. A full commit that is
            cached is used without asking the Hub.

    Raises:
        HubUnreachable: the Hub does not answer and the repository is not cached.
        GatedModel: access has not been granted.
        ModelNotFound: there is no such repository or revision.
        UnsafeCheckpoint: it has weights, but none as safetensors.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        try:
            return _snapshot(hub_id, revision, local=True)
        except LocalEntryNotFoundError:
            pass  # not cached yet: ask the Hub
    try:
        found = _snapshot(hub_id, revision, local=False)
    except GatedRepoError as fault:
        raise GatedModel(
            f"The Hub does not give {hub_id} to you.",
            expected="an account whose access to this gated model was granted.",
            remedy=f"ask for access on https://huggingface.co/{hub_id}, then: hf auth login.",
        ) from fault
    except (RepositoryNotFoundError, RevisionNotFoundError) as fault:
        at = f" at revision {revision!r}" if revision else ""
        raise ModelNotFound(
            f"The Hub has no {hub_id}{at} that you may see.",
            expected="an existing repository, as org/name or org/name@revision.",
            remedy="check the spelling; for a private repository log in: hf auth login.",
        ) from fault
    except (HfHubHTTPError, OSError) as fault:
        found = _cached_or_unreachable(hub_id, revision, fault)
    if not list(found.folder.glob("*.safetensors")):
        raise UnsafeCheckpoint(
            f"{hub_id} has no safetensors weights.",
            expected="*.safetensors; pickle files (.bin, .pt) can run code when opened.",
            remedy="choose a repository or revision with safetensors, or convert it first.",
        )
    return found


def _cached_or_unreachable(hub_id: str, revision: str | None, fault: Exception) -> Snapshot:
    try:
        return _snapshot(hub_id, revision, local=True)
    except LocalEntryNotFoundError:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise HubUnreachable(
            f"The Hugging Face Hub cannot be reached for {hub_id} ({reason}), and it is not in "
            "the local cache.",
            expected="a reachable Hub, or a filled cache.",
            remedy="connect, set HF_HOME to a filled cache, or name a local folder or .gguf file.",
        ) from fault


def _snapshot(hub_id: str, revision: str | None, *, local: bool) -> Snapshot:
    folder = Path(
        huggingface_hub.snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=list(ALLOWED),
            local_files_only=local,
            etag_timeout=TIMEOUT_SECONDS,
        )
    )
    return Snapshot(folder, folder.name)
