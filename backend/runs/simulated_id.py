"""What a simulated run is called."""

from __future__ import annotations

from backend.phantom.phantom import Phantom
from backend.types import StudyRef


def simulated_run_id(ref: StudyRef, phantom: Phantom, model: str) -> str:
    """Name of a simulated run: it follows from all that is simulated, so each is made once.

    The study's hash is not enough: a strength or a width can change the activations alone.

    Args:
        ref: the phantom's study.
        phantom: what is simulated.
        model: name of one of its models.
    """
    return f"{ref.name}-{ref.content_hash}-{phantom.identity}-{model}"
