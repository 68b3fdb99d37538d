"""One more prompt set for a study, in a model's words, to compare with the study's own."""

from __future__ import annotations

from backend.errors import SteerscopeError
from backend.names import name_problem
from backend.studies.faults import FaultList
from backend.studies.prompt_sets import LONGEST_NAME, add_prompt_set
from backend.studies.prompts import LEAST_PER_POLE, PromptPlace
from backend.types import Study
from backend.writing.new_study import MOST_PAIRS, Ask, Wanted, write_pairs, write_questions


def with_written_prompts(
    study: Study,
    name: str,
    pairs: int,
    ask: Ask,
    writer: str,
    *,
    temperature: float = 1.0,
    answer_tokens: int = 200,
) -> Study:
    """A revision of the study that has another prompt set of every trait.

    Args:
        study: describes its traits; stays as it is.
        name: of the new set.
        pairs: of prompts, of each trait.
        ask: the model that writes.
        writer: its name.
        temperature: of its answers.
        answer_tokens: longest prompt.

    Raises:
        SteerscopeError: a trait is not described.
        EndpointError: too few questions or pairs could be read from the answers.
        StudyFaults: what is wrong with the set or its name.
    """
    check_new_set(study, name, pairs)
    placed = []
    for trait, meaning in study.traits.items():
        wanted = Wanted(
            study.name,
            trait,
            meaning,
            pairs=pairs,
            temperature=temperature,
            answer_tokens=answer_tokens,
        )
        prompts = write_pairs(wanted, write_questions(wanted, pairs, ask), ask, name)
        placed += [(prompt, PromptPlace(trait, at)) for at, prompt in enumerate(prompts, start=1)]
    return add_prompt_set(study, name, placed, f"the model {writer}", FaultList())


def check_new_set(study: Study, name: str, pairs: int) -> None:
    """Refuse a set that cannot be written or kept, before anything is asked.

    Args:
        study: describes its traits.
        name: of the new set.
        pairs: of prompts, of each trait.

    Raises:
        SteerscopeError: a trait is not described, or the name or number cannot be used.
    """
    bare = [trait for trait, text in study.traits.items() if not text.strip()]
    if bare:
        raise SteerscopeError(
            f"Nothing says what {', '.join(bare)} means.",
            expected="a description of every trait.",
            remedy="describe them in study.json (traits) and import the study again.",
        )
    if not LEAST_PER_POLE <= pairs <= MOST_PAIRS:
        raise SteerscopeError(
            f"{pairs} pairs cannot be written.",
            expected=f"{LEAST_PER_POLE} to {MOST_PAIRS}.",
            remedy="choose another number.",
        )
    _check_name(study, name)


def _check_name(study: Study, name: str) -> None:
    taken = any(prompt.prompt_set == name for prompt in study.prompts)
    if taken or name != name.strip() or not 1 <= len(name) <= LONGEST_NAME:
        what = "is the name of one of the study's sets" if taken else "cannot name a prompt set"
        raise SteerscopeError(
            f"{name!r} {what}.",
            expected=f"a new name of 1 to {LONGEST_NAME} characters: sets are kept, never changed.",
            remedy="choose another with --set.",
        )
    problem = name_problem("prompt_set", name)
    if problem is not None:
        what, remedy = problem
        raise SteerscopeError(
            what.format(repr(name)), expected="a plain name.", remedy=f"{remedy} (--set)"
        )
