"""A field for how a file of another tool numbers layers."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from backend.runs.vector_files import LAYER_NUMBERINGS


def layer_numbering(place: DeltaGenerator, key: str, first: str = "") -> str:
    """Choose a numbering by its name; what the chosen one means stands below, as it is longer than
    a field.

    Args:
        place: where the field is drawn.
        key: of the field.
        first: what is offered before the numberings; empty for nothing.

    Returns:
        A name of :data:`LAYER_NUMBERINGS`, or ``first``.
    """
    options = [*([first] if first else []), *LAYER_NUMBERINGS]
    chosen = place.selectbox("How the file numbers layers", options, key=key)
    if chosen in LAYER_NUMBERINGS:
        place.caption(f"{LAYER_NUMBERINGS[chosen]}.")
    return chosen
