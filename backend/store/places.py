"""Where a shared place keeps its files: a folder that every host has mounted, or S3.

Nothing that is there is ever overwritten: a file's name says its revision and its hash (see
:mod:`backend.store.shared`), so a place need only list, add, fetch and remove.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from backend.errors import SharedAway, SteerscopeError, StoreError
from backend.settings import Settings

# A file that is being written; it has its name when it is whole.
PART = ".part"
_ABANDONED_SECONDS = 86_400.0
# S3 removes so many at once.
_MOST_REMOVED = 1000


class SharedPlace(Protocol):
    """A shared place. All its methods raise SharedAway where it cannot be asked."""

    def names(self, kind: str) -> list[str]:
        """Names of all whole files of a kind, in no order."""

    def read(self, kind: str, name: str) -> bytes | None:
        """A small file; None where there is none."""

    def put(self, kind: str, name: str, source: BinaryIO) -> None:
        """Add a file: it is there whole, or not at all. One of the same name is of the same bytes
        and may be written again.

        Args:
            kind: folder below the place; empty for the place itself.
            name: of the file.
            source: its bytes, read from where it stands to the end.
        """

    def put_first(self, kind: str, name: str, content: bytes) -> bool:
        """Add a small file unless there is one of that name. Returns whether it was added."""

    def fetch(self, kind: str, name: str, target: Path, most: int) -> bool:
        """Copy a file. Returns whether there is one of that name.

        Args:
            kind: folder below the place.
            name: of the file.
            target: a new file of this machine.
            most: bytes that it may have.

        Raises:
            StoreError: it has more, of which as many are written at most.
        """

    def remove(self, kind: str, names: list[str]) -> None:
        """Remove files; those that are not there are not missed."""


def place_of(settings: Settings) -> SharedPlace:
    """The place that ``STEERSCOPE_SHARED`` names.

    Raises:
        SteerscopeError: it is neither a folder's path nor ``s3://bucket/prefix``, or what S3 needs
            is not installed.
        SharedAway: it is a folder that is not there.
    """
    named = settings.shared
    scheme, mark, rest = named.partition("://")
    if not mark:
        return FolderPlace(Path(named))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise SteerscopeError(
            f"STEERSCOPE_SHARED={named!r} names no shared place.",
            expected="the path of a folder, or s3://bucket/prefix.",
            remedy="change or unset STEERSCOPE_SHARED (docs/hosts.md).",
        )
    return S3Place(bucket, prefix.strip("/"))


class FolderPlace:
    """A folder on a drive that all hosts have mounted.

    Args:
        folder: it exists.

    Raises:
        SharedAway: it does not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise SharedAway(
                f"The shared folder {folder} is not there.",
                expected="a folder that exists, such as a mounted network drive.",
                remedy="mount it or make it, or change STEERSCOPE_SHARED.",
            )

    def names(self, kind: str) -> list[str]:
        with self.asking():
            try:
                with os.scandir(self._folder / kind) as entries:
                    found = [entry.name for entry in entries]
            except FileNotFoundError:  # nothing of this kind yet
                return []
            for name in found:
                if name.endswith(PART):
                    self._remove_old(self._folder / kind / name)
            return [name for name in found if not name.startswith(".")]

    @staticmethod
    def _remove_old(part: Path) -> None:
        """Remove what was left of a file whose writer died while it wrote."""
        try:
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                part.unlink()
        except FileNotFoundError:  # its writer has ended meanwhile
            return

    def read(self, kind: str, name: str) -> bytes | None:
        with self.asking():
            try:
                return (self._folder / kind / name).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, kind: str, name: str, source: BinaryIO) -> None:
        with self.asking(), self._part(kind) as part:
            with part.open("wb") as handle:
                shutil.copyfileobj(source, handle, 2**20)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(part.with_name(name))

    def put_first(self, kind: str, name: str, content: bytes) -> bool:
        with self.asking(), self._part(kind) as part:
            part.write_bytes(content)
            try:
                os.link(part, part.with_name(name))
            except FileExistsError:
                return False
            except OSError as fault:
                if fault.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                    raise
                # A file system without hard links.
                if part.with_name(name).exists():
                    return False
                part.rename(part.with_name(name))
        return True

    def fetch(self, kind: str, name: str, target: Path, most: int) -> bool:
        try:
            source = (self._folder / kind / name).open("rb")
        except FileNotFoundError:
            return False
        except OSError as fault:
            raise self._away(fault) from fault
        with source:
            _write(source, target, f"{kind}/{name}", os.fstat(source.fileno()).st_size, most, self)
        return True

    def remove(self, kind: str, names: list[str]) -> None:
        with self.asking():
            for name in names:
                (self._folder / kind / name).unlink(missing_ok=True)

    @contextmanager
    def _part(self, kind: str) -> Iterator[Path]:
        """A new name beside the files of a kind, with nothing left of it at the end."""
        folder = self._folder / kind
        folder.mkdir(exist_ok=True)
        part = folder / f".{uuid.uuid4().hex}{PART}"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around what reads from it. Raises: SharedAway: it cannot be read."""
        try:
            yield
        except OSError as fault:
            raise self._away(fault) from fault

    def _away(self, fault: OSError) -> SharedAway:
        return SharedAway(
            f"The shared folder {self._folder} cannot be used now: {fault.strerror or fault}.",
            expected="a folder that can be read and written, with room.",
            remedy="mount it, make room or mend its rights; what waits goes on by itself.",
        )


class S3Place:
    """A bucket of S3 or of a server that speaks its protocol, by boto3: it finds its credentials,
    region and endpoint as everything else of AWS does (``AWS_ENDPOINT_URL_S3`` and so on).

    Args:
        bucket: it exists.
        prefix: before the names of all files; may be empty.

    Raises:
        SteerscopeError: boto3 is not installed.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as fault:
            raise SteerscopeError(
                "STEERSCOPE_SHARED names S3, and boto3 is not installed.",
                expected="the packages of requirements-s3.txt.",
                remedy="install them: .venv/bin/pip install -r requirements-s3.txt.",
            ) from fault
        self._faults = (BotoCoreError, ClientError, OSError)
        self._refused = ClientError
        self._bucket, self._prefix = bucket, prefix
        with self.asking():
            self._client = _s3_client(os.environ.get("AWS_ENDPOINT_URL_S3"))

    def names(self, kind: str) -> list[str]:
        start = self._key(kind, "")
        with self.asking():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start, Delimiter="/"
            )
            return [
                entry["Key"].removeprefix(start)
                for page in pages
                for entry in page.get("Contents", ())
            ]

    def read(self, kind: str, name: str) -> bytes | None:
        with self.asking():
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._key(kind, name))
            except self._refused as fault:
                if _code(fault) in _MISSING:
                    return None
                raise
            return bytes(found["Body"].read())

    def put(self, kind: str, name: str, source: BinaryIO) -> None:
        # One PUT, or for a large file parts that become an object when all are there; boto3 sends
        # checksums with each, which the server compares.
        with self.asking():
            self._client.upload_fileobj(source, self._bucket, self._key(kind, name))

    def put_first(self, kind: str, name: str, content: bytes) -> bool:
        with self.asking():
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._key(kind, name), Body=content, IfNoneMatch="*"
                )
            except self._refused as fault:
                if _code(fault) in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                    return False
                raise
        return True

    def fetch(self, kind: str, name: str, target: Path, most: int) -> bool:
        try:
            with self.asking():
                found = self._client.get_object(Bucket=self._bucket, Key=self._key(kind, name))
        except SharedAway as fault:
            if isinstance(fault.__cause__, self._refused) and _code(fault.__cause__) in _MISSING:
                return False
            raise
        with found["Body"] as body:
            _write(body, target, f"{kind}/{name}", found["ContentLength"], most, self)
        return True

    def remove(self, kind: str, names: list[str]) -> None:
        with self.asking():
            for at in range(0, len(names), _MOST_REMOVED):
                keys = [{"Key": self._key(kind, name)} for name in names[at : at + _MOST_REMOVED]]
                self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )

    def _key(self, kind: str, name: str) -> str:
        parts = [part for part in (self._prefix, kind) if part]
        return "/".join([*parts, name])

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around what asks it. Raises: SharedAway: it does not answer."""
        try:
            yield
        except self._faults as fault:
            raise SharedAway(
                f"The shared place s3://{self._bucket}/{self._prefix} cannot be used now: {fault}.",
                expected="a bucket that exists, and credentials that may list, read, write and "
                "delete in it.",
                remedy="see docs/hosts.md for what boto3 reads; what waits goes on by itself.",
            ) from fault


def too_large(name: str, size: int, most: int) -> StoreError:
    """The fault that a file is too large to be shared.

    Args:
        name: of the file.
        size: its bytes.
        most: that it may have.
    """
    return StoreError(
        f"{name} has {size:,} bytes.",
        expected=f"at most {most:,}, more than any file of its kind needs.",
        remedy="delete it in the shared place; Steerscope did not write it.",
    )


def _write(
    source: Any, target: Path, name: str, size: int, most: int, place: FolderPlace | S3Place
) -> None:
    """Copy what is read from a place into a new file, and no more than it may have.

    Raises:
        StoreError: it is larger.
    """
    if size > most:
        raise too_large(name, size, most)
    left = size
    with target.open("wb") as handle:
        while True:
            # Only what reads from the place says that it is away; the disk may be full as well.
            with place.asking():
                block = source.read(min(2**20, left + 1))
            if not block:
                return
            left -= len(block)
            if left < 0:  # it grows while it is read, as nothing of Steerscope's does
                raise too_large(name, size - left, size)
            handle.write(block)


@lru_cache(maxsize=4)
def _s3_client(endpoint: str | None) -> Any:
    """A client, which takes half a second to make and may be used by many threads.

    Args:
        endpoint: the server; None for Amazon's, or another that boto3 is told of.
    """
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=patience)


_MISSING = ("NoSuchKey", "404")


def _code(fault: Any) -> str:
    return str(fault.response.get("Error", {}).get("Code", ""))
