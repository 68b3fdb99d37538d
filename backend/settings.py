"""Where things are kept, and the thresholds of a status. Read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import SteerscopeError

DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_LAYERS = "8-19"


@dataclass(frozen=True)
class StatusThresholds:
    """Where r turns from failed to close to working (study, "Current Scorecard").

    Attributes:
        working: r above this works.
        close: r from this up to ``working`` is close; below it failed.
    """

    working: float = 0.3
    close: float = 0.2

    def __post_init__(self) -> None:
        if not -1.0 <= self.close <= self.working <= 1.0:
            raise SteerscopeError(
                f"Status thresholds close={self.close}, working={self.working} are out of order.",
                expected="-1 <= close <= working <= 1.",
                remedy="set STEERSCOPE_CLOSE and STEERSCOPE_WORKING to such values.",
            )


@dataclass(frozen=True)
class Settings:
    """Paths of the run-time data and the status thresholds.

    Attributes:
        cache: root of everything written at run time.
        thresholds: see :class:`StatusThresholds`.
        queue_url: SQLAlchemy URL of the job queue; SQLite inside ``cache`` unless set.
        hosts: names the dashboard answers to besides those of this machine's loopback address;
            ``*.example.org`` for all below one.
        read_only: whether nothing may be started, imported, saved, cancelled or deleted.
    """

    cache: Path
    thresholds: StatusThresholds = field(default_factory=StatusThresholds)
    queue_url: str = ""
    hosts: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def studies(self) -> Path:
        """Published studies, ``<name>@<hash>.duckdb``."""
        return self.cache / "studies"

    @property
    def runs(self) -> Path:
        """Published runs, ``<id>.duckdb``."""
        return self.cache / "runs"

    @property
    def work(self) -> Path:
        """Runs being written; one worker owns each file."""
        return self.cache / "work"

    @property
    def models(self) -> Path:
        """Converted and downloaded model weights."""
        return self.cache / "models"

    @property
    def vectors(self) -> Path:
        """Vectors that users named, ``<name>.duckdb``."""
        return self.cache / "vectors"

    @property
    def notes(self) -> Path:
        """Notes of users, ``<name>.json``."""
        return self.cache / "notes"

    @property
    def jobs(self) -> Path:
        """The queue's database, worker locks and heartbeats."""
        return self.cache / "jobs"

    @property
    def jobs_url(self) -> str:
        """SQLAlchemy URL of the queue."""
        return self.queue_url or f"sqlite:///{(self.jobs / 'queue.sqlite').resolve()}"

    def has_queue(self) -> bool:
        """Whether there is a queue already, so that looking at it makes none."""
        return bool(self.queue_url) or (self.jobs / "queue.sqlite").exists()

    def make_folders(self) -> None:
        """Create the folders that do not exist yet."""
        made = (
            self.studies,
            self.runs,
            self.vectors,
            self.notes,
            self.work,
            self.models,
            self.jobs,
        )
        for folder in made:
            folder.mkdir(parents=True, exist_ok=True)


def load_settings() -> Settings:
    """Settings from ``STEERSCOPE_CACHE``, ``STEERSCOPE_QUEUE_URL``, ``STEERSCOPE_WORKING``,
    ``STEERSCOPE_CLOSE``, ``STEERSCOPE_HOSTS`` and ``STEERSCOPE_READ_ONLY``, with ``cache/`` beside
    the code as the default folder.

    Raises:
        SteerscopeError: a threshold is not a number or the two are out of order, or a switch is
            neither on nor off.
    """
    default_cache = Path(__file__).resolve().parent.parent / "cache"
    return Settings(
        cache=Path(os.environ.get("STEERSCOPE_CACHE", default_cache)).resolve(),
        thresholds=StatusThresholds(
            working=_number("STEERSCOPE_WORKING", 0.3), close=_number("STEERSCOPE_CLOSE", 0.2)
        ),
        queue_url=os.environ.get("STEERSCOPE_QUEUE_URL", ""),
        hosts=tuple(os.environ.get("STEERSCOPE_HOSTS", "").replace(",", " ").split()),
        read_only=_switch("STEERSCOPE_READ_ONLY"),
    )


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "0")
    if text not in ("", "0", "1"):
        raise SteerscopeError(
            f"{variable}={text!r} is neither on nor off.",
            expected="1 for on, 0 or nothing for off.",
            remedy=f"change or unset {variable}.",
        )
    return text == "1"


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError as fault:
        raise SteerscopeError(
            f"{variable}={text!r} is not a number.",
            expected="a correlation between -1 and 1, such as 0.3.",
            remedy=f"change or unset {variable}.",
        ) from fault
