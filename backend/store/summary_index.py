"""The runs' summaries in one file, so that a new server need not open every run.

An entry counts only while its run's file is the same; whatever cannot be read is made again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.settings import Settings
from backend.store.file_cache import FileIdentity
from backend.store.run_record import RunRecord
from backend.store.run_values import RunSummary

NAME = "summaries.json"
# Another field in a later version makes what an earlier one wrote useless.
_FIELDS = ["looked through whole"] + [
    field.name for kind in (RunSummary, RunRecord) for field in dataclasses.fields(kind)
]
_LISTS = ("prompt_sets", "traits")
logger = logging.getLogger(__name__)


def load_summaries(settings: Settings) -> dict[FileIdentity, RunSummary]:
    """The summaries that are kept, by the file each was read from; none where none are kept.

    Args:
        settings: where the store is.
    """
    path = settings.cache / NAME
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["fields"] != _FIELDS:
            return {}
        return dict(_entry(settings.runs, name, entry) for name, entry in kept["runs"].items())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
        logger.warning("%s cannot be read and is made again: %s", path, fault)
        return {}


def save_summaries(settings: Settings, summaries: Mapping[FileIdentity, RunSummary]) -> None:
    """Keep summaries in place of those that are kept.

    Nothing is lost where the folder cannot be written to: the next server opens every run.

    Args:
        settings: where the store is.
        summaries: of all readable runs, by the file each was read from.
    """
    runs = {
        identity.path.name: {
            "size": identity.size,
            "mtime_ns": identity.mtime_ns,
            "record": summary.record.to_rows(),
        }
        | {
            field.name: getattr(summary, field.name)
            for field in dataclasses.fields(summary)
            if field.name != "record"
        }
        for identity, summary in summaries.items()
    }
    path = settings.cache / NAME
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{NAME}", dir=settings.cache)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"fields": _FIELDS, "runs": runs}, file)
        Path(draft).replace(path)
    except OSError as fault:
        logger.warning("%s cannot be written, so every server reads all runs: %s", path, fault)


def _entry(folder: Path, name: str, entry: dict[str, Any]) -> tuple[FileIdentity, RunSummary]:
    identity = FileIdentity(folder / name, int(entry["size"]), int(entry["mtime_ns"]))
    values: dict[str, Any] = {
        field.name: tuple(entry[field.name]) if field.name in _LISTS else entry[field.name]
        for field in dataclasses.fields(RunSummary)
        if field.name != "record"
    }
    return identity, RunSummary(record=RunRecord.from_rows(entry["record"]), **values)
