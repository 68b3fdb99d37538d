"""A PostgreSQL server on loopback with data of its own, for a test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.served import wait_for

USER = "steerscope"


def programs() -> Path:
    """The folder of initdb and postgres: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[-1].parent
    if os.environ.get("CI"):
        raise FileNotFoundError("PostgreSQL is not installed (Debian: postgresql)")
    pytest.skip("PostgreSQL is not installed (Debian: postgresql)")


class Postgres:
    """A server that runs.

    Args:
        port: on loopback.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str = "postgres") -> str:
        """Of a database, as a user writes it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database. Returns its URL."""
        name = f"queue_{secrets.token_hex(4)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with psycopg.connect(self.url(), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Start a server on a free port, and end it and its data after."""
    found = programs()
    # Short and below no folder of root's: the server does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="steerscope-pg-"))
    as_other: list[str] = []
    if os.geteuid() == 0:
        as_other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale", "--no-sync"]
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": "80",
    }
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    try:
        subprocess.run(
            [*as_other, str(found / "initdb"), "-D", str(data), *made],
            check=True,
            cwd=folder,
            capture_output=True,
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*as_other, str(found / "postgres"), "-D", str(data), "-p", str(port), *given],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            running = Postgres(port)
            wait_for(lambda: server.poll() is not None or running.answers())
            assert server.poll() is None, (folder / "log").read_text()
            yield running
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
