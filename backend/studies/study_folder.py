"""A study as a folder again, in the format that an import reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backend.errors import ExportError, StudyFaults
from backend.settings import Settings
from backend.store.atomic import atomic_folder
from backend.store.study import find_study, load_study
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.types import Message, Prompt, Response, Study, chat_values


def write_study_folder(settings: Settings, wanted: str, target: Path) -> tuple[Path, ...]:
    """Write a study's prompts.jsonl, responses.jsonl and study.json, and see that they are it.

    Args:
        settings: where the store is.
        wanted: name or name@hash of a study.
        target: a folder that is empty or not there yet.

    Returns:
        The files.

    Raises:
        StudyNotFound, UnreadableFile: the study cannot be read.
        ExportError: the folder holds something or cannot be written to, or what would be written
            is not the same study when it is imported.
    """
    ref = find_study(settings, wanted)
    study = load_study(settings, ref)
    return write_folder(study, target)


def write_folder(
    study: Study, target: Path, more: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Write a study that need not be in the store as a folder, and see that the files are it.

    Args:
        study: its responses may have no scores.
        target: a folder that is empty or not there yet.
        more: name -> text of further files, which an import ignores.

    Returns:
        The files.

    Raises:
        ExportError: the folder holds something or cannot be written to, or what would be written
            is not the same study when it is imported.
    """
    check_empty(target)
    with atomic_folder(target) as folder:
        _lines(folder / "prompts.jsonl", map(_prompt, study.prompts))
        if study.responses:
            _lines(folder / "responses.jsonl", map(_response, study.responses))
        (folder / "study.json").write_text(
            json.dumps(_head(study), ensure_ascii=False, indent=2) + "\n", "utf-8"
        )
        for name, text in (more or {}).items():
            (folder / name).write_text(text, "utf-8")
        _check(folder, study)
        names = sorted(path.name for path in folder.iterdir())
    return tuple(target / name for name in names)


def check_empty(target: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        ExportError: it does, or is no folder.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(
            f"{target} is not empty.",
            expected="an empty folder, or one that is not there yet.",
            remedy="name another folder: other files in it would become part of the study.",
        )


def _check(folder: Path, study: Study) -> None:
    """See that the files give the study again."""
    why = "they give another one"
    try:
        if content_hash(read_study(folder, study.name, unscored=True)) == content_hash(study):
            return
    except StudyFaults as fault:
        why = str(fault)
    raise ExportError(
        f"The files of study {study.name!r} would not be the same study: {why}.",
        expected="a study that an import reads.",
        remedy="export its tables instead (export), and report this.",
    )


def _head(study: Study) -> dict[str, Any]:
    texts = {
        "title": study.title,
        "description": study.description,
        "licence": study.licence,
        "provenance": study.provenance,
    }
    return {
        **{key: text for key, text in texts.items() if text},
        "score_range": list(study.score_range),
        "traits": study.traits,
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    return {
        "trait": prompt.trait,
        "pole": prompt.pole,
        "prompt_set": prompt.prompt_set,
        **({} if prompt.pair is None else {"pair": prompt.pair}),
        **_chat(prompt.messages),
        "text": prompt.text,
    }


def _response(response: Response) -> dict[str, Any]:
    scores: dict[str, float] = {}
    for trait, score in response.scores.items():
        first, *further = response.repeats.get(trait, (score,))
        scores[trait] = first
        scores |= {f"{trait}#{place}": again for place, again in enumerate(further, start=2)}
    return {
        "scenario": response.scenario,
        **({} if response.turn is None else {"turn": response.turn}),
        "responder": response.responder,
        **({} if response.group is None else {"group": response.group}),
        **_chat(response.messages),
        "text": response.text,
        "scores": scores,
    }


def _chat(messages: tuple[Message, ...]) -> dict[str, Any]:
    return {"messages": chat_values(messages)} if messages else {}


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
