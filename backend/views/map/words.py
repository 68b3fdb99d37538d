"""What a map shows, in sentences."""

from __future__ import annotations

from backend.views.map.compute import Basis, TraitMap

# The share of v inside the plane below which the picture says little about v.
LITTLE = 0.25

READ = (
    "Each point is a text: triangles are prompts, circles are responses, coloured by their score. "
    "The green arrow is v. Distances and angles are true within the plane, and what lies outside "
    "it is not seen."
)
BASIS = (
    "Which texts the two components are computed from. The others are projected into the same "
    "plane. With both, the first component often only separates prompts from responses."
)


def answer(found: TraitMap) -> str:
    """How much the plane shows of the points and of v.

    Args:
        found: a map.
    """
    what = {"prompts": "the prompts", "responses": "the responses", "both": "all texts"}
    if found.reason is not None:
        return f"There is no plane: {found.reason}."
    share = sum(found.shares)
    said = f"The plane holds {share:.0%} of the variance of {what[found.basis]}"
    if found.v_inside is None:
        return f"{said}. v is zero: both poles have the same mean."
    said += f" and {found.v_inside:.0%} of v's squared length."
    if found.v_inside < LITTLE:
        said += " Most of v points out of this plane: choose the other basis, or read r instead."
    return said


def left_out(found: TraitMap) -> str:
    """How many texts are not drawn; empty if all are."""
    parts = []
    shown = (len(found.prompts), len(found.responses))
    for drawn, there, what in zip(shown, found.counts, ("prompts", "responses"), strict=True):
        if drawn < there:
            parts.append(f"{drawn:,} of {there:,} {what}")
    if not parts or found.reason is not None:
        return ""
    return f"Drawn by lot: {' and '.join(parts)}. The components are of these; v is of all prompts."


def basis_title(basis: Basis) -> str:
    """Title of a basis in a report."""
    return {"prompts": "Plane of the prompts", "responses": "Plane of the responses"}.get(
        basis, "Plane of all texts"
    )
