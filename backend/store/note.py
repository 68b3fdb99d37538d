"""Notes of users: one small immutable file each, ``notes/<name>.json``."""

from __future__ import annotations

import dataclasses
import datetime
import json
import secrets
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from backend.errors import StoreError, UnreadableFile
from backend.names import DATED_NAME
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import by_age, publish
from backend.store.file_cache import FileCache
from backend.store.shared import NOTE_BYTES, share_deletion

Kind = Literal["run", "cell", "prompt"]
KINDS: tuple[Kind, ...] = ("run", "cell", "prompt")
LONGEST_TEXT, LONGEST_AUTHOR = 4_000, 60
MOST_NOTES = 2_000
# Pages list all notes at every click: a file is read again only when it has changed.
_FILES = FileCache(MOST_NOTES)
_KEYS = {"about", "text", "author", "created_at"}


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

    kind: Kind
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
    if len(_paths(settings)) >= MOST_NOTES:
        raise StoreError(
            f"There are {MOST_NOTES:,} notes already.",
            expected="fewer, so that pages stay quick.",
            remedy=f"delete notes that are no longer needed, in {settings.notes}.",
        )
    moment = datetime.datetime.now(datetime.UTC)
    note = Note(
        name=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        about=about,
        text=wanted,
        author=by,
        created_at=moment.isoformat(timespec="microseconds"),
    )
    changing(settings, "save note", note.name)
    settings.make_folders()
    values = dataclasses.asdict(note)
    del values["name"]
    work = settings.work / f"note-{uuid.uuid4().hex}.json"
    try:
        work.write_text(json.dumps(values, ensure_ascii=False, indent=1), "utf-8")
        if not publish(work, settings.notes / f"{note.name}.json"):
            raise StoreError(
                f"A note is called {note.name} already.",
                expected="a new name for every note.",
                remedy="save the note again.",
            )
    finally:
        work.unlink(missing_ok=True)
    return note


def note_list(settings: Settings) -> NoteList:
    """All notes; a file that cannot be read is listed with its reason, not raised."""
    notes: list[Note] = []
    broken: dict[str, str] = {}
    for path in _paths(settings):
        try:
            notes.append(_FILES.get("note", [path], partial(_read, path)))
        except UnreadableFile as fault:
            broken[path.name] = fault.what
        except FileNotFoundError:  # deleted since it was listed
            continue
    return NoteList(tuple(sorted(notes, key=lambda note: (note.created_at, note.name))), broken)


def delete_note(settings: Settings, name: str) -> None:
    """Remove a note's file.

    Raises:
        StoreError: no note is called so.
        ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
        SharedAway: it is in a shared place that cannot be asked.
    """
    path = settings.notes / f"{name}.json"
    if not DATED_NAME.fullmatch(name) or not path.is_file():
        raise StoreError(
            f"No note is called {name[:60]!r}.",
            expected="the name of a note, such as 20260131-120000-0a1b2c3d.",
            remedy="list them with: python -m backend notes.",
        )
    changing(settings, "delete note", name)
    share_deletion(settings, "notes", name)
    # By then another process of this cache may have learned of it.
    path.unlink(missing_ok=True)


def _paths(settings: Settings) -> tuple[Path, ...]:
    return by_age(settings.notes.glob("*.json"))


def _read(path: Path) -> Note:
    """One note's file.

    Raises:
        UnreadableFile: it is damaged, too large or of no note.
        FileNotFoundError: it is gone.
    """
    if not DATED_NAME.fullmatch(path.stem):
        raise _unreadable(path, "its name is none of a note")
    with path.open("rb") as handle:
        content = handle.read(NOTE_BYTES + 1)
    if len(content) > NOTE_BYTES:
        raise _unreadable(path, f"it has more than {NOTE_BYTES:,} bytes")
    try:
        values = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise _unreadable(path, "it is no JSON") from fault
    if not isinstance(values, dict) or set(values) != _KEYS:
        raise _unreadable(path, f"it needs the keys {', '.join(sorted(_KEYS))}")
    text, author, moment = values["text"], values["author"], values["created_at"]
    if not all(isinstance(value, str) for value in (text, author, moment)):
        raise _unreadable(path, "text, author and created_at must be texts")
    if not 0 < len(text) <= LONGEST_TEXT or len(author) > LONGEST_AUTHOR or len(moment) > 40:
        raise _unreadable(path, "its text, author or date is empty or too long")
    return Note(path.stem, _about(path, values["about"]), text, author, moment)


def _about(path: Path, values: object) -> About:
    fields = {field.name for field in dataclasses.fields(About)}
    if not isinstance(values, dict) or set(values) != fields or values["kind"] not in KINDS:
        raise _unreadable(path, "it does not say what it is about")
    texts = (values[name] for name in ("study", "run_id", "trait", "prompt_set"))
    numbers = (values[name] for name in ("layer", "prompt_id"))
    if not all(isinstance(value, str) for value in texts) or not all(
        value is None or type(value) is int for value in numbers
    ):
        raise _unreadable(path, "what it is about is of another form")
    return About(**values)


def _unreadable(path: Path, why: str) -> UnreadableFile:
    return UnreadableFile(
        f"{path.name} cannot be read: {why}.",
        expected="a note as Steerscope saves it.",
        remedy="delete the file.",
    )
