"""Tables of a study that is not kept yet."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import Fault
from backend.types import Response, Study

Cell = str | int


def trait_rows(study: Study) -> list[dict[str, Cell]]:
    """One row for each trait and prompt set: its prompts, and the scores of its responses.

    Args:
        study: as it would be kept.
    """
    cells = dict.fromkeys((prompt.trait, prompt.prompt_set) for prompt in study.prompts)
    rows: list[dict[str, Cell]] = []
    for trait, prompt_set in cells:
        own = [p for p in study.prompts if (p.trait, p.prompt_set) == (trait, prompt_set)]
        rows.append(
            {
                "trait": trait,
                "prompt set": prompt_set,
                "high": sum(prompt.pole == "high" for prompt in own),
                "low": sum(prompt.pole == "low" for prompt in own),
                "in pairs": sum(prompt.pair is not None for prompt in own),
                "in chats": sum(bool(prompt.messages) for prompt in own),
                **_scores(trait, study.responses),
            }
        )
    return rows


def _scores(trait: str, responses: Sequence[Response]) -> dict[str, Cell]:
    """How many responses have a score, and which."""
    scores = [response.scores[trait] for response in responses if trait in response.scores]
    if not scores:
        return {"scored": 0, "scores": "none", "mean score": "none"}
    return {
        "scored": len(scores),
        "scores": f"{min(scores):g} to {max(scores):g}",
        "mean score": f"{sum(scores) / len(scores):.2f}",
    }


def example_rows(study: Study) -> list[dict[str, Cell]]:
    """The first prompt of each pole and the first response of a study, to look at.

    Args:
        study: as it would be kept.
    """
    trait = next(iter(study.traits))
    firsts = [
        next(p for p in study.prompts if (p.trait, p.pole) == (trait, pole))
        for pole in ("high", "low")
    ]
    rows: list[dict[str, Cell]] = [
        {
            "what": f"{trait}, {prompt.pole}",
            "before it": " / ".join(one.content for one in prompt.messages),
            "text": prompt.text,
        }
        for prompt in firsts
    ]
    for response in study.responses[:1]:
        scores = ", ".join(f"{name} {score:g}" for name, score in response.scores.items())
        rows.append(
            {
                "what": f"response ({scores or 'no score'})",
                "before it": " / ".join(one.content for one in response.messages),
                "text": response.text,
            }
        )
    return rows


def note_rows(notes: Sequence[Fault]) -> list[dict[str, Cell]]:
    """What was left out and why, a row a note. Args: of a study that was checked."""
    return [
        {
            "file": note.file,
            "line": "" if note.line is None else str(note.line),
            "what": note.what,
            "what to do": note.remedy,
        }
        for note in notes
    ]
