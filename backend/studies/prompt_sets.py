"""A new prompt set for a study: checked like an imported one, and published as the study's next
revision, whole or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.names import name_problem
from backend.settings import Settings
from backend.store.study import find_study, load_study, open_study, publish_study
from backend.studies.faults import FaultList, nearest, shown
from backend.studies.hashing import content_hash
from backend.studies.prompts import PromptPlace, check_prompts, place_prompts
from backend.studies.rows import Record
from backend.studies.tables import read_rows, text_problem
from backend.types import POLES, Pole, Prompt, Study, StudyRef

LONGEST_NAME = 60
# Stands for a line break inside a prompt where one line is one prompt.
LINE_BREAK = "⏎"
Placed = tuple[Prompt, PromptPlace]


@dataclass(frozen=True)
class Lines:
    """The prompts of one trait as typed, one a line.

    Attributes:
        high: text of the high pole's field.
        low: text of the low pole's field.
    """

    high: str
    low: str


@dataclass(frozen=True)
class NewSet:
    """A prompt set as typed.

    Attributes:
        study: key of the study it is for.
        name: of the new set.
        author: who wrote it; may be empty.
        start: set whose prompts the fields were filled from; None if they began empty. Its
            traits that are not typed are copied.
        typed: trait -> its prompts, one a line.
        pasted: a table of all prompts as jsonl or csv; if given, ``start`` and ``typed`` do not
            count.
    """

    study: str
    name: str
    author: str = ""
    start: str | None = None
    typed: Mapping[str, Lines] | None = None
    pasted: str | None = None


def starting_lines(settings: Settings, study: str, prompt_set: str) -> dict[str, Lines]:
    """Trait -> prompts of a set, one a line, to edit.

    Args:
        settings: where the store is.
        study: key of a study.
        prompt_set: one of its sets.

    Raises:
        StudyNotFound, UnreadableFile: the study cannot be read.
    """
    with open_study(settings, find_study(settings, study)) as file:
        return as_lines(
            [
                Prompt(trait, prompt.pole, prompt.text, prompt_set)
                for trait in file.traits_of_set(prompt_set)
                for prompt in file.prompts(trait)
                if prompt.prompt_set == prompt_set
            ]
        )


def publish_prompt_set(settings: Settings, new: NewSet) -> StudyRef:
    """Publish the study's next revision with the new set; the old revision stays.

    Args:
        settings: where the store is.
        new: what was typed.

    Returns:
        The new revision: the same name, another hash.

    Raises:
        StudyFaults: everything that is wrong; nothing is kept.
        StudyNotFound, UnreadableFile: the study cannot be read.
    """
    study = load_study(settings, find_study(settings, new.study))
    faults = FaultList()
    if new.pasted is not None:
        placed = prompts_of_table(new.name, new.pasted, faults)
    else:
        start = [p for p in study.prompts if p.prompt_set == new.start]
        lines = as_lines(start) | dict(new.typed or {})
        placed = prompts_of_lines(new.name, lines, start, faults)
    revised = add_prompt_set(study, new.name, placed, new.author, faults)
    return publish_study(settings, revised, content_hash(revised))


def as_lines(prompts: Sequence[Prompt]) -> dict[str, Lines]:
    """Trait -> its prompts as they can be typed: one a line, blanks around them left out.

    Args:
        prompts: of one prompt set.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for prompt in prompts:
        poles = found.setdefault(prompt.trait, {pole: [] for pole in POLES})
        poles[prompt.pole].append(_as_line(prompt.text))
    return {
        trait: Lines("\n".join(poles["high"]), "\n".join(poles["low"]))
        for trait, poles in found.items()
    }


def prompts_of_lines(
    name: str, typed: Mapping[str, Lines], start: Sequence[Prompt], faults: FaultList
) -> list[Placed]:
    """Prompts from one-line-a-prompt fields; empty lines are skipped.

    A line that was not touched gives the prompt it came from to the letter, in its chat. A pair is
    not kept, as a line may have been written instead of its other half.

    Args:
        name: of the new set.
        typed: trait -> its two fields.
        start: prompts of the set the fields were filled from; empty if they began empty.
        faults: told of lines that are new in a trait of chats.
    """
    known: dict[tuple[str, Pole, str], list[Prompt]] = {}
    for p in start:
        known.setdefault((p.trait, p.pole, _as_line(p.text)), []).append(p)
    chats = {p.trait for p in start if p.messages}
    found: list[Placed] = []
    for trait, lines in typed.items():
        for pole in POLES:
            place = f"{trait.replace('_', ' ')}, {pole}"
            for number, line in enumerate(getattr(lines, pole).split("\n"), start=1):
                if line.strip():
                    before = known.get((trait, pole, line.strip()))
                    if before:
                        prompt = dataclasses.replace(before.pop(0), prompt_set=name, pair=None)
                    else:
                        prompt = Prompt(trait, pole, _as_prompt(line), name)
                        if trait in chats:
                            faults.add(
                                place,
                                number,
                                f"The prompts of {trait!r} are answers in chats, and the chat "
                                "before this one is not known.",
                                "Edit it on the Prompts page, or paste a table with messages.",
                            )
                    found.append((prompt, PromptPlace(place, number)))
    return found


def prompts_of_table(name: str, pasted: str, faults: FaultList) -> list[Placed]:
    """Prompts from a pasted table: jsonl if it begins with a brace, else csv with a header.

    Args:
        name: of the new set; it replaces the set's name in the table.
        pasted: the table, with trait, pole and text.
        faults: told of everything wrong.
    """
    file = "pasted.jsonl" if pasted.lstrip().startswith("{") else "pasted.csv"
    rows = read_rows(file, pasted.encode(errors="surrogatepass"), faults)
    if not rows:
        return []
    sets = sorted({str(row.values.get("prompt_set") or "default") for row in rows})
    if len(sets) > 1:
        faults.add(
            file,
            None,
            f"The rows belong to {len(sets)} prompt sets: {', '.join(sets)}.",
            "Paste the rows of one set; its name is replaced by the new one.",
        )
    named = [Record(row.line, row.values | {"prompt_set": name}) for row in rows]
    return place_prompts(file, named, faults)


def add_prompt_set(
    study: Study, name: str, placed: Sequence[Placed], author: str, faults: FaultList
) -> Study:
    """A revision of the study: its own prompt sets as they were, and the new one.

    Every trait of the study must have the set, so that no cell of a scorecard is empty for want
    of prompts.

    Args:
        study: stays as it is.
        name: of the new set.
        placed: its prompts and where each stands.
        author: who wrote them; may be empty. It is added to the study's provenance.
        faults: told of everything wrong, and of what came before.

    Raises:
        StudyFaults: everything that is wrong.
    """
    complete = faults.count == 0
    field = "Name of the set"
    taken = {prompt.prompt_set for prompt in study.prompts}
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        faults.add(
            field,
            None,
            f"{name!r} cannot name a prompt set.",
            f"Write 1 to {LONGEST_NAME} characters on one line, without blanks at the ends.",
        )
    elif (problem := name_problem("prompt_set", name)) is not None:
        faults.add(field, None, *problem, shown(name))
    if not author.isprintable():
        faults.add("Who wrote it", None, "The name holds a control character.", "Write it again.")
    for prompt, at in placed:
        if (said := text_problem(prompt.text)) is not None:
            faults.add(at.file, at.line, f"The prompt {said}.", "Write it again without it.")
    if name in taken:
        faults.add(
            field,
            None,
            f"The study has a prompt set {name!r} already.",
            "Choose another name: sets are kept, never changed.",
        )
    known = [entry for entry in placed if entry[0].trait in study.traits]
    unknown = {p.trait: at for p, at in reversed(placed) if p.trait not in study.traits}
    for trait, at in unknown.items():
        faults.add(
            at.file, at.line, f"The study has no trait {trait!r}.", nearest(trait, study.traits)
        )
    whole = f"Prompt set {name!r}"
    prompts = check_prompts(whole, known, faults, complete=complete)
    for trait in study.traits if complete else ():
        if trait not in {prompt.trait for prompt in prompts}:
            faults.add(
                whole,
                None,
                f"Trait {trait!r} has no prompts.",
                "Every trait of the study needs them: write some, or start from a set.",
            )
    faults.raise_if_any()
    by = f" by {author.strip()}" if author.strip() else ""
    return dataclasses.replace(
        study,
        prompts=(*study.prompts, *prompts),
        provenance=f"{study.provenance} Prompt set {name!r} was added{by}.",
    )


def _as_line(text: str) -> str:
    return text.strip().replace("\r\n", "\n").replace("\n", LINE_BREAK)


def _as_prompt(line: str) -> str:
    return line.strip().replace(LINE_BREAK, "\n")
