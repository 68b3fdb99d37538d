"""Which workers there are: a row each in the queue's database, and a lock each in its cache.

A worker is called by its machine, its cache and its number there, so two never share a name, and
one that is started again has the name of the one that ended. Processes of one cache know at once,
by a lock that the kernel gives back, that another has died. Those elsewhere know it by its row: it
says when the worker last gave a sign of life, by the clock of the database alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backend.errors import JobError
from backend.jobs.cache_id import cache_id, host_name
from backend.settings import Settings
from backend.store.locks import try_lock
from backend.store.shared import place_id

SLOTS = 16
# Signs of life come every two seconds; a worker is shown as long as the last is not older.
STALE_SECONDS = 10.0
# Rows of workers that never came back.
_FORGOTTEN_SECONDS = 7 * 86_400.0
_SCHEMA = "steerscope"
# Any number: who holds its lock makes tables or takes a name.
_ALONE = 5_117_233


@dataclass(frozen=True)
class WorkerBeat:
    """A worker's last sign of life.

    Attributes:
        name: its executor id, such as ``gpu1-0123abcd-1``.
        host: name of its machine.
        cache: id of its cache.
        folder: that cache's folder, on its machine.
        pid: its process id, on its machine.
        seconds: since the sign, by the database's clock.
    """

    name: str
    host: str
    cache: str
    folder: str
    pid: int
    seconds: float


class WorkerTable:
    """The workers' rows in the queue's database.

    Args:
        settings: where the queue is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = queue_engine(settings)
        server = self._engine.dialect.name == "postgresql"
        self._now: sa.ColumnElement[Any] = (
            sa.func.extract("epoch", sa.func.clock_timestamp())
            if server
            # Days since noon of a Monday long ago, as SQLite counts; 1970 began so many later.
            else (sa.func.julianday("now") - 2_440_587.5) * 86_400.0
        )
        self._table = sa.Table(
            "workers",
            sa.MetaData(schema=_SCHEMA if server else None),
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("host", sa.Text, nullable=False),
            sa.Column("cache", sa.Text, nullable=False),
            sa.Column("folder", sa.Text, nullable=False),
            sa.Column("pid", sa.Integer, nullable=False),
            sa.Column("boot", sa.Text, nullable=False),
            sa.Column("token", sa.Text, nullable=False),
            sa.Column("place", sa.Text, nullable=False),
            sa.Column("beat", sa.Float(53), nullable=False),
        )

    def make(self) -> None:
        """Make the table if there is none; safe to call from several machines at once.

        Raises:
            JobError: the database cannot be reached.
        """
        with self._alone() as connection:
            if self._table.schema is not None:
                connection.execute(sa.schema.CreateSchema(_SCHEMA, if_not_exists=True))
            self._table.metadata.create_all(connection)

    def live(self, within: float = STALE_SECONDS) -> tuple[WorkerBeat, ...]:
        """Workers with a fresh sign of life, by name.

        Args:
            within: seconds that the sign may be old.

        Raises:
            JobError: the database cannot be read now.
        """
        row = self._table.c
        age = self._now - row.beat
        wanted = sa.select(row.name, row.host, row.cache, row.folder, row.pid, age.label("age"))
        # A sign from the future, left by a clock that was wrong, would never grow stale.
        fresh = wanted.where(sa.func.abs(age) <= within).order_by(row.name)
        with self._asking(), self._engine.connect() as connection:
            return tuple(
                WorkerBeat(name, host, cache, folder, pid, float(seconds))
                for name, host, cache, folder, pid, seconds in connection.execute(fresh)
            )

    def claim(self, name: str, token: str) -> None:
        """Take a name whose lock in this cache is held.

        Args:
            name: of the worker.
            token: tells this process from all that had the name before.

        Raises:
            JobError: the name is in use on another machine, or a worker on this queue has another
                shared place.
        """
        row = self._table.c
        settings = self._settings
        place, own, boot = place_id(settings), cache_id(settings), _boot_id()
        is_fresh = sa.func.abs(self._now - row.beat) <= settings.lost_after
        with self._alone() as connection:
            connection.execute(
                self._table.delete().where(self._now - row.beat > _FORGOTTEN_SECONDS)
            )
            fresh = connection.execute(
                sa.select(row.name, row.cache, row.folder, row.host, row.boot, row.place).where(
                    is_fresh
                )
            ).all()
            for other in fresh:
                if other.name == name and other.boot != boot:
                    raise _twice(other.name)
                if other.cache != own and (other.place != place or not place):
                    raise _two_places(other.host, other.folder, place=bool(place))
            connection.execute(self._table.delete().where(row.name == name))
            connection.execute(
                self._table.insert().values(
                    name=name,
                    host=host_name(),
                    cache=own,
                    folder=str(settings.cache),
                    pid=os.getpid(),
                    boot=boot,
                    token=token,
                    place=place,
                    beat=self._now,
                )
            )

    def beat(self, name: str, token: str) -> bool:
        """Leave a sign of life. Returns whether the name is still this process's.

        Raises:
            JobError: the database cannot be written to now.
        """
        row = self._table.c
        mine = self._table.update().where(row.name == name, row.token == token)
        with self._asking(), self._engine.begin() as connection:
            return connection.execute(mine.values(beat=self._now)).rowcount == 1

    def leave(self, name: str, token: str) -> None:
        """Remove the row of a worker that ends.

        Raises:
            JobError: the database cannot be written to now; the row grows stale.
        """
        row = self._table.c
        with self._asking(), self._engine.begin() as connection:
            connection.execute(self._table.delete().where(row.name == name, row.token == token))

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        """A transaction while no other machine makes the tables or takes a name."""
        with self._asking(), self._engine.begin() as connection:
            if self._table.schema is not None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ALONE)))
            yield connection

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as fault:
            raise JobError(
                f"The queue's workers cannot be asked for now: {fault.orig}.",
                expected="a queue that can be reached, with tables of this version.",
                remedy="wait a moment; if it stays, see that the database of STEERSCOPE_QUEUE_URL "
                "answers, and that no other program holds jobs/queue.sqlite in the cache.",
            ) from fault


class WorkerSlot:
    """A name that only one live process holds; a restarted worker takes the same one again,
    which is how the queue knows the jobs it left behind.

    Args:
        settings: where the cache and the queue are; the queue's tables exist.

    Raises:
        JobError: all slots are taken, or the name is in use on another machine, or a worker on this
            queue has another shared place.
        SharedAway: the shared place cannot be asked.
    """

    def __init__(self, settings: Settings) -> None:
        settings.make_folders()
        self._settings = settings
        self._folder = settings.jobs
        self._token = secrets.token_hex(8)
        for number in range(1, SLOTS + 1):
            lock = try_lock(self._folder / f"worker-{number}.lock")
            if lock is not None:
                self.name = _name(settings, number)
                self._lock = lock
                break
        else:
            raise JobError(
                f"All {SLOTS} worker slots of {self._folder} are taken.",
                expected=f"at most {SLOTS} workers on one cache folder.",
                remedy="stop a worker first.",
            )
        self.table = WorkerTable(settings)
        try:
            self.table.claim(self.name, self._token)
        except BaseException:
            self.table.close()
            self._lock.close()
            raise

    def beat(self) -> JobError | None:
        """Leave a sign of life.

        Returns:
            Why this worker must end, as another has its name; None if it may go on.

        Raises:
            JobError: the database cannot be written to now.
        """
        if self.table.beat(self.name, self._token):
            return None
        try:  # silent for so long that its row was forgotten
            self.table.claim(self.name, self._token)
        except JobError as fault:
            return fault
        return None

    def living(self) -> frozenset[str]:
        """Names of the workers that must be left alone: those heard of lately, and those of this
        cache whose process is there, though it may be stopped.

        Raises:
            JobError: the database cannot be read now.
        """
        own, held = set(), set()
        for path in self._folder.glob("worker-*.lock"):
            number = path.stem.removeprefix("worker-")
            name = _name(self._settings, int(number) if number.isdecimal() else 0)
            own.add(name)
            lock = None if name == self.name else try_lock(path)
            if lock is None:
                held.add(name)
            else:
                lock.close()
        heard = {beat.name for beat in self.table.live(self._settings.lost_after)}
        # What the kernel says of this machine's processes comes before what they have written.
        return frozenset((heard - own) | held)

    def release(self) -> None:
        """Give the name back and remove the row."""
        try:
            self.table.leave(self.name, self._token)
        finally:
            self.table.close()
            self._lock.close()


def queue_engine(settings: Settings) -> sa.Engine:
    """Connections to the queue's database, which are tried before use.

    Args:
        settings: where the queue is.
    """
    url = sa.make_url(settings.jobs_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # as the queue's library has it
    return sa.create_engine(url, pool_pre_ping=True)


def _name(settings: Settings, number: int) -> str:
    return f"{host_name()}-{cache_id(settings)}-{number}"


def _boot_id() -> str:
    """Of this machine since it was started; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _twice(name: str) -> JobError:
    return JobError(
        f"A worker called {name} gives signs of life on another machine.",
        expected="a cache folder that only one machine uses, and no clone of it under one name.",
        remedy="wait half a minute if this machine was started anew; else give each machine a "
        "cache and a name of its own.",
    )


def _two_places(host: str, folder: str, *, place: bool) -> JobError:
    found = "another shared place" if place else "another cache, and this one has no shared place"
    return JobError(
        f"A worker on {host} ({folder}) works on this queue with {found}, so runs would be "
        "scattered.",
        expected="one shared place for all caches on one queue.",
        remedy="set STEERSCOPE_SHARED to the same place for every dashboard and worker "
        "(docs/hosts.md), then start them again.",
    )
