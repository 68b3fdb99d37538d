"""What can be chosen on the Tokens page: vectors and conversations of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS
from backend.runs.directions import DirectionKey, directions, method_key
from backend.runs.imported_vectors import NamedVector
from backend.store.run import Run
from backend.store.study import ResponsePlace
from backend.turns import turn_order

NAMED = "named:"
TRAIT = "trait:"


@dataclass(frozen=True)
class Conversation:
    """The responses of one responder in one scenario.

    Attributes:
        scenario: its scenario.
        responder: who responded.
        responses: in the order of their turns.
    """

    scenario: str
    responder: str
    responses: tuple[ResponsePlace, ...]

    @property
    def name(self) -> str:
        """Number of its first response, which names it in an address."""
        return str(self.responses[0].response_id)


def vector_choices(
    runs: Sequence[Run], named: Sequence[NamedVector], trait: str, prompt_set: str
) -> dict[str, DirectionKey]:
    """Vectors to begin with, by their name in an address: those of every method, the mean
    difference first, and those that were saved or imported and can be used on the run.

    Args:
        runs: one open run.
        named: all vectors that were saved or imported.
        trait: of the methods' vectors.
        prompt_set: of the methods' vectors.
    """
    (run,) = runs
    there = run.methods_with_vectors()
    names = [method.name for method in METHODS if method.name in there]
    names.sort(key=lambda name: name != MEAN_DIFFERENCE)
    found = {name: method_key(run, trait, name) for name in names}
    keys = [DirectionKey(one.trait, name=one.name) for one in named]
    reasons = directions(run, named, keys, prompt_set, run.record.layers).reasons
    for place, key in enumerate(keys):
        if any((place, layer) not in reasons for layer in run.record.layers):
            found[f"{NAMED}{key.name}"] = key
    return found


def second_choices(
    runs: Sequence[Run],
    named: Sequence[NamedVector],
    trait: str,
    prompt_set: str,
    first: DirectionKey,
) -> dict[str, DirectionKey]:
    """Vectors to lay beside a first one: of the other methods, of the other traits by the same
    method, and those that were saved or imported.

    Arguments as for :func:`vector_choices`.

    Args:
        first: which is left out.
    """
    (run,) = runs
    found = vector_choices(runs, named, trait, prompt_set)
    method = first.method or MEAN_DIFFERENCE
    for other in run.traits_of_set(prompt_set):
        if other != trait:
            found[f"{TRAIT}{other}"] = method_key(run, other, method)
    return {name: key for name, key in found.items() if key != first}


def conversations(run: Run) -> tuple[Conversation, ...]:
    """All conversations of a run, in the study's order.

    Args:
        run: an open run.
    """
    found: dict[tuple[str, str], list[ResponsePlace]] = {}
    for place in run.response_places:
        found.setdefault((place.scenario, place.responder), []).append(place)
    return tuple(
        Conversation(*who, tuple(sorted(places, key=lambda one: turn_order(one.turn))))
        for who, places in found.items()
    )
