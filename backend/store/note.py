"""Notes of users: one small immutable file each, ``notes/<name>.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from backend.errors import StoreError
from backend.settings import Settings
from backend.store.dated_files import DatedFiles, new_name

NoteSubject = Literal["run", "cell", "prompt"]
KINDS: tuple[NoteSubject, ...] = ("run", "cell", "prompt")
LONGEST_TEXT, LONGEST_AUTHOR = 4_000, 60
MOST_NOTES = 2_000


@dataclass(frozen=True)
class About:
    """What a note is about: a run, a cell of it, or a prompt of its study.

    Attributes:
        kind: run, cell or prompt.
        study: ``name@hash`` of the study.
        run_id: the run; empty for a prompt, which is the same in every run of its study.
        trait: of the cell or prompt; empty for a run.
        prompt_set: likewise.
        layer: of the cell; None otherwise.
        prompt_id: number of the prompt in the study; None otherwise.
    """

    kind: NoteSubject
    study: str
    run_id: str = ""
    trait: str = ""
    prompt_set: str = ""
    layer: int | None = None
    prompt_id: int | None = None


@dataclass(frozen=True)
class Note:
    """What someone wrote about a run, a cell or a prompt.

    Attributes:
        name: its file's stem.
        about: what it is about.
        text: plain text.
        author: who wrote it; may be empty.
        created_at: UTC, ISO 8601.
    """

    name: str
    about: About
    text: str
    author: str
    created_at: str


@dataclass(frozen=True)
class NoteList:
    """All notes. Attributes: notes (readable ones, oldest first) and broken (file name -> why it
    cannot be read)."""

    notes: tuple[Note, ...]
    broken: dict[str, str]


def publish_note(settings: Settings, about: About, text: str, author: str = "") -> Note:
    """Keep a note; it is never changed, only deleted.

    Args:
        settings: where the store is.
        about: what it is about.
        text: 1 to 4,000 characters; blanks around it are left out.
        author: up to 60 characters on one line; may be empty. Of who has logged in, the e-mail
            address is taken instead.

    Raises:
        StoreError: the text or the author is not of that form, or there are too many notes.
        ReadOnly, NotAllowed: nothing may be written here, or not by who asks.
    """
    wanted = text.strip()
    by = author.strip() if settings.actor is None else settings.actor.name[:LONGEST_AUTHOR]
    if not 0 < len(wanted) <= LONGEST_TEXT:
        raise StoreError(
            f"The note has {len(wanted):,} characters.",
            expected=f"1 to {LONGEST_TEXT:,} characters.",
            remedy="write something." if not wanted else "shorten it, or write two notes.",
        )
    if len(by) > LONGEST_AUTHOR or not by.isprintable():
        raise StoreError(
            f"{by[:LONGEST_AUTHOR]!r} cannot be the author of a note.",
            expected=f"up to {LONGEST_AUTHOR} characters on one line.",
            remedy="write a shorter name, or none.",
        )
    while True:  # a name of chance may be taken
        name, at = new_name()
        note = Note(name, about, wanted, by, at)
        values = dataclasses.asdict(note)
        del values["name"]
        if _NOTES.keep(settings, name, values):
            return note


def note_list(settings: Settings) -> NoteList:
    """All notes; a file that cannot be read is listed with its reason, not raised."""
    return NoteList(*_NOTES.all(settings))


def delete_note(settings: Settings, name: str) -> None:
    """Remove a note's file.

    Raises:
        StoreError: no note is called so.
        ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
        SharedAway: it is in a shared place that cannot be asked.
    """
    _NOTES.delete(settings, name)


def _note(name: str, values: Mapping[str, Any]) -> Note:
    """Raises: ValueError, TypeError: why it is none."""
    text, author, moment = values["text"], values["author"], values["created_at"]
    if not all(isinstance(value, str) for value in (text, author, moment)):
        raise TypeError("text, author and created_at must be texts")
    if not 0 < len(text) <= LONGEST_TEXT or len(author) > LONGEST_AUTHOR or len(moment) > 40:
        raise ValueError("its text, author or date is empty or too long")
    return Note(name, _about(values["about"]), text, author, moment)


def _about(values: object) -> About:
    fields = {field.name for field in dataclasses.fields(About)}
    if not isinstance(values, dict) or set(values) != fields or values["kind"] not in KINDS:
        raise ValueError("it does not say what it is about")
    texts = (values[name] for name in ("study", "run_id", "trait", "prompt_set"))
    numbers = (values[name] for name in ("layer", "prompt_id"))
    if not all(isinstance(value, str) for value in texts) or not all(
        value is None or type(value) is int for value in numbers
    ):
        raise ValueError("what it is about is of another form")
    return About(**values)


_NOTES = DatedFiles(
    "note",
    "notes",
    {field.name for field in dataclasses.fields(Note)} - {"name"},
    MOST_NOTES,
    _note,
    "notes",
)
