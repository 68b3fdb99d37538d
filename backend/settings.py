"""Where things are kept, and the thresholds of a status. Read once from the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.access import Actor, LogIn
from backend.errors import SteerscopeError

DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_LAYERS = "8-19"
# Workers give a sign of life every two seconds; a machine that swaps may miss some.
LEAST_LOST_AFTER = 5.0


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
        shared: where all caches on one queue keep studies, runs, vectors, notes and logs together:
            a folder's path or ``s3://bucket/prefix``; empty where this cache is the only one.
        lost_after: seconds without a sign of life, by the queue's clock, after which a worker on
            another machine counts as lost and its job goes on elsewhere.
        ray_address: host:port of the Ray cluster that the engine ray uses, and vllm for the parts
            of a split model, or ``auto``; empty for this machine alone.
        vllm_python: interpreter of the environment in which vLLM is installed; empty for that of
            ``.venv-vllm`` beside the program, or this one's.
        hosts: names the dashboard answers to besides those of this machine's loopback address;
            ``*.example.org`` for all below one.
        read_only: whether nothing may be started, imported, saved, cancelled or deleted.
        log_in: how users of the dashboard log in; None where nobody is asked who they are.
        actor: the user of the dashboard who asks; None on the command line, in a worker, and where
            nobody is asked.
        folders: models and studies may be named by path only below one of these; None for
            anywhere.
        endpoints: base addresses of models that a page may name, which are asked with the server's
            key; None for any.
    """

    cache: Path
    thresholds: StatusThresholds = field(default_factory=StatusThresholds)
    queue_url: str = ""
    shared: str = ""
    lost_after: float = 30.0
    ray_address: str = ""
    vllm_python: str = ""
    hosts: tuple[str, ...] = ()
    read_only: bool = False
    log_in: LogIn | None = None
    actor: Actor | None = None
    folders: tuple[Path, ...] | None = None
    endpoints: tuple[str, ...] | None = None

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
    def imported_vectors(self) -> Path:
        """Vectors that users imported, ``<name>.duckdb``."""
        return self.vectors / "imported"

    @property
    def notes(self) -> Path:
        """Notes of users, ``<name>.json``."""
        return self.cache / "notes"

    @property
    def doses(self) -> Path:
        """Measured dose-responses, ``<name>.json``."""
        return self.cache / "doses"

    @property
    def answers(self) -> Path:
        """What models behind an endpoint answered, ``<model>-<hash>.jsonl``."""
        return self.cache / "answers"

    @property
    def drafts(self) -> Path:
        """Studies that models wrote and nobody has judged yet, a folder each."""
        return self.cache / "drafts"

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

    def may_name(self, path: Path) -> bool:
        """Whether a model or study may be named by this path, wherever its links lead."""
        if self.folders is None:
            return True
        try:
            real = path.expanduser().resolve()
        except (OSError, RuntimeError):  # links in a circle, ~name of a user that does not exist
            return False
        return any(real.is_relative_to(folder) for folder in self.folders)

    def may_ask(self, url: str) -> bool:
        """Whether a page may name a model behind this base address."""
        return self.endpoints is None or url.strip().rstrip("/") in self.endpoints

    def make_folders(self) -> None:
        """Create the folders that do not exist yet."""
        made = (
            self.studies,
            self.runs,
            self.vectors,
            self.imported_vectors,
            self.notes,
            self.doses,
            self.drafts,
            self.work,
            self.models,
            self.jobs,
        )
        for folder in made:
            folder.mkdir(parents=True, exist_ok=True)


# Without one of these nobody could log in.
_LOG_IN = (
    "STEERSCOPE_URL",
    "STEERSCOPE_OIDC_CLIENT_ID",
    "STEERSCOPE_OIDC_CLIENT_SECRET",
    "STEERSCOPE_OIDC_METADATA_URL",
    "STEERSCOPE_OPERATORS",
)
# Read by the dashboard alone; a worker has no need of the secrets among them.
LOG_IN_VARIABLES = (*_LOG_IN, "STEERSCOPE_OIDC_COOKIE_SECRET", "STEERSCOPE_VIEWERS")


def load_settings() -> Settings:
    """Settings from the environment (docs/cli.md lists the variables), with ``cache/`` beside the
    code as the default folder.

    Raises:
        SteerscopeError: a threshold is not a number or the two are out of order, a switch is
            neither on nor off, or log-in is set up in part.
    """
    default_cache = Path(__file__).resolve().parent.parent / "cache"
    log_in = _log_in()
    return Settings(
        cache=Path(os.environ.get("STEERSCOPE_CACHE", default_cache)).resolve(),
        thresholds=StatusThresholds(
            working=_number("STEERSCOPE_WORKING", 0.3), close=_number("STEERSCOPE_CLOSE", 0.2)
        ),
        queue_url=os.environ.get("STEERSCOPE_QUEUE_URL", ""),
        shared=os.environ.get("STEERSCOPE_SHARED", ""),
        lost_after=_lost_after(),
        ray_address=os.environ.get("STEERSCOPE_RAY_ADDRESS", ""),
        vllm_python=os.environ.get("STEERSCOPE_VLLM_PYTHON", ""),
        hosts=_list("STEERSCOPE_HOSTS"),
        read_only=_switch("STEERSCOPE_READ_ONLY"),
        log_in=log_in,
        folders=_folders(log_in),
        endpoints=_endpoints(log_in),
    )


def _log_in() -> LogIn | None:
    """Raises: SteerscopeError: some of what log-in needs is set and some is not."""
    given = {name: os.environ.get(name, "") for name in LOG_IN_VARIABLES}
    if not any(given.values()):
        return None
    missing = [name for name in _LOG_IN if not given[name]]
    if missing:
        # To go on without log-in would let everybody in.
        raise SteerscopeError(
            f"Log-in is set up in part: {', '.join(missing)} not set.",
            expected=f"all of {', '.join(_LOG_IN)}, or none of them.",
            remedy="set what is missing (docs/trust.md), or unset the others.",
        )
    return LogIn(
        url=given["STEERSCOPE_URL"],
        client_id=given["STEERSCOPE_OIDC_CLIENT_ID"],
        client_secret=given["STEERSCOPE_OIDC_CLIENT_SECRET"],
        metadata_url=given["STEERSCOPE_OIDC_METADATA_URL"],
        cookie_secret=given["STEERSCOPE_OIDC_COOKIE_SECRET"],
        operators=_list("STEERSCOPE_OPERATORS"),
        viewers=_list("STEERSCOPE_VIEWERS"),
    )


def _folders(log_in: LogIn | None) -> tuple[Path, ...] | None:
    """Where paths may lead; nowhere if others log in and nothing is said."""
    said = os.environ.get("STEERSCOPE_FOLDERS")
    if said is None:
        return None if log_in is None else ()
    return tuple(Path(part).resolve() for part in said.split(os.pathsep) if part)


def _endpoints(log_in: LogIn | None) -> tuple[str, ...] | None:
    """Which models pages may have asked; none if others log in and nothing is said."""
    if "STEERSCOPE_ENDPOINTS" not in os.environ:
        return None if log_in is None else ()
    return tuple(url.rstrip("/") for url in _list("STEERSCOPE_ENDPOINTS"))


def folders_text(folders: Sequence[Path]) -> str:
    """What ``STEERSCOPE_FOLDERS`` says for these folders."""
    return os.pathsep.join(map(str, folders))


def _list(variable: str) -> tuple[str, ...]:
    return tuple(os.environ.get(variable, "").replace(",", " ").split())


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "0")
    if text not in ("", "0", "1"):
        raise SteerscopeError(
            f"{variable}={text!r} is neither on nor off.",
            expected="1 for on, 0 or nothing for off.",
            remedy=f"change or unset {variable}.",
        )
    return text == "1"


def _lost_after() -> float:
    """Raises: SteerscopeError: it is too short for a busy machine to be heard of in time."""
    seconds = _number("STEERSCOPE_LOST_AFTER", 30.0, "a number of seconds, such as 30.")
    if not LEAST_LOST_AFTER <= seconds < math.inf:
        raise SteerscopeError(
            f"STEERSCOPE_LOST_AFTER={seconds:g} would take workers for lost that are busy.",
            expected=f"{LEAST_LOST_AFTER:g} seconds or more.",
            remedy="change or unset STEERSCOPE_LOST_AFTER.",
        )
    return seconds


def _number(
    variable: str,
    default: float,
    expected: str = "a correlation between -1 and 1, such as 0.3.",
) -> float:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError as fault:
        raise SteerscopeError(
            f"{variable}={text!r} is not a number.",
            expected=expected,
            remedy=f"change or unset {variable}.",
        ) from fault
