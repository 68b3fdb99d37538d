"""What a reader of a run should know of its model."""

from __future__ import annotations

from pathlib import Path

from backend.models.files import ADAPTER
from backend.models.presets import reads_transcripts


def model_notices(reference: str, folder: Path) -> tuple[str, ...]:
    """Sentences on a model's files and on how it is given conversations; often none.

    Args:
        reference: as the user gave it.
        folder: of the model.
    """
    found = []
    if (folder / ADAPTER).exists():
        found.append(
            f"{folder.name} holds an adapter's files beside the model; the model's own weights "
            "were read, and the adapter was not added to them."
        )
    if reads_transcripts(reference):
        found.append(
            f"{reference} is a base model without a chat template: conversations are read as a "
            'plain transcript ("User: ...", "Assistant: ...").'
        )
    return tuple(found)
