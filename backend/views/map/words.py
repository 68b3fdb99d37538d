"""What a map shows, in sentences."""

from __future__ import annotations

from backend.views.map.compute import Basis, TraitMap

# The share of v inside the plane below which the picture says little about v.
LITTLE = 0.25

READ = (
    "Each point is a text: triangles are prompts; diamonds (first turn) and circles (later turns) "
    "are responses, coloured by their score. The green arrow is v. Distances and angles are true "
    "within the plane, and what lies outside it is not seen."
)
BASIS = (
    "v and the prompts: across, the projection on v; up, the first principal component of the "
    "prompts without v. The others: the first two principal components of those texts. All texts "
    "are projected into the same plane. With both, the first component often only separates "
    "prompts from responses."
)
_OF: dict[Basis, str] = {
    "along": "the prompts",
    "prompts": "the prompts",
    "responses": "the responses",
    "both": "all texts",
}


def axis_titles(found: TraitMap) -> tuple[str, str]:
    """Titles of both axes, with the share of the variance along each."""
    first, second = found.shares
    if found.basis == "along":
        return (
            f"along v, {first:.0%} of the prompts' variance",
            f"first component without v, {second:.0%}",
        )
    return f"first component, {first:.0%} of the variance", f"second component, {second:.0%}"


def answer(found: TraitMap) -> str:
    """How much the plane shows of the points and of v.

    Args:
        found: a map.
    """
    what = _OF[found.basis]
    if found.reason is not None:
        return f"There is no plane: {found.reason}."
    share = sum(found.shares)
    said = f"The plane holds {share:.0%} of the variance of {what}"
    if found.basis == "along":
        return (
            f"v carries {found.shares[0]:.1%} of the variance of {what}; the largest component "
            f"without v carries {found.shares[1]:.1%}."
        )
    if found.v_inside is None:
        return f"{said}. v is zero: both poles have the same mean."
    said += f" and {found.v_inside:.0%} of v's squared length."
    if found.v_inside < LITTLE:
        said += (
            " Most of v points out of this plane: choose the plane of v to see it at full length."
        )
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
    return (
        f"Random sample: {' and '.join(parts)}. The components are of these; v is of all prompts."
    )


def plane_title(found: TraitMap) -> str:
    """What the plane is of, as a heading."""
    return "Along v and across it" if found.basis == "along" else f"Plane of {_OF[found.basis]}"
