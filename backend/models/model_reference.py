"""What a user's model string names. Importing this needs neither torch nor transformers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import ModelNotFound, NotAllowed
from backend.models.presets import PRESETS_BY_NAME
from backend.settings import Settings

ReferenceKind = Literal["preset", "hub", "folder", "gguf"]
# As the Hub has it: no . or - at the ends of either part, and neither -- nor .. within.
_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*\b/\w[\w.-]*\b", re.ASCII)
_REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]*", re.ASCII)
_LONGEST_SHOWN = 200
# Marks of HTML, of Markdown and of charts' templates.
_MARKS = '<>"%`'
_ACCEPTED = (
    "a preset, a Hugging Face id such as org/name or org/name@revision, a local folder with "
    "safetensors, or a .gguf file."
)


@dataclass(frozen=True)
class ModelReference:
    """What a model string names.

    Attributes:
        kind: preset, hub, folder or gguf.
        target: preset name, Hub id, or absolute path.
        revision: branch, tag or commit on the Hub; None for its default.
    """

    kind: ReferenceKind
    target: str
    revision: str | None = None


def model_name(reference: str) -> str:
    """Short name of a model for axes and run ids: last part of its reference, without revision."""
    stem = reference.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1].split("@", 1)[0]
    return stem.removesuffix(".gguf")


def parse_reference(text: str, settings: Settings) -> ModelReference:
    """Read a model string.

    Args:
        text: preset, Hub id[@revision], local folder or .gguf file.
        settings: which folders a path may lead to.

    Raises:
        ModelNotFound: it is none of the accepted forms, or names a path that does not exist.
        NotAllowed: it is a path that may not be named here.
    """
    text = text.strip()
    refuse_unusable(text)
    if text in PRESETS_BY_NAME:
        return ModelReference("preset", text)
    if is_path(text):
        refuse_outside(text, settings)
        return _local(text)
    # Outside the folders it is not looked at, and can only be a Hub's.
    if settings.may_name(Path(text)) and _is(Path.is_dir, Path(text)):
        return ModelReference("folder", str(Path(text).resolve()))
    name, at, revision = text.partition("@")
    if _HUB_ID.fullmatch(name) and (not at or _REVISION.fullmatch(revision)):
        return ModelReference("hub", name, revision or None)
    near = difflib.get_close_matches(text.lower(), PRESETS_BY_NAME, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ModelNotFound(
        f"{text[:_LONGEST_SHOWN]!r} names no model.",
        expected=_ACCEPTED,
        remedy=f"{hint}The presets are {', '.join(PRESETS_BY_NAME)}.",
    )


def refuse_unusable(text: str) -> None:
    """Refuse a model string that no machine could use; a path is looked for where it is loaded.

    Raises:
        ModelNotFound: it is empty, or its name could not be shown.
    """
    if not text.strip():
        raise ModelNotFound(
            "No model is named.",
            expected=_ACCEPTED,
            remedy=f"name one. The presets are {', '.join(PRESETS_BY_NAME)}.",
        )
    if any(sign in _MARKS for sign in model_name(text)) or not text.strip().isprintable():
        raise ModelNotFound(
            f"The model {text[:_LONGEST_SHOWN]!r} has a name that charts and files cannot show.",
            expected=f"a name without {' '.join(_MARKS)} and without control characters.",
            remedy="rename the folder or file.",
        )


def refuse_outside(text: str, settings: Settings) -> None:
    """Refuse a path that may not be named here, whether anything is there or not.

    Args:
        text: a model string.
        settings: which folders a path may lead to.

    Raises:
        NotAllowed: it is a path that leads elsewhere.
    """
    if not is_path(text.strip()) or settings.may_name(Path(text.strip())):
        return
    folders = ", ".join(map(str, settings.folders or ())) or "none on this machine"
    raise NotAllowed(
        f"The path {text[:_LONGEST_SHOWN]!r} may not be named here.",
        expected=f"a preset, a Hugging Face id, or a path below an allowed folder ({folders}).",
        remedy="ask whoever runs this Steerscope to add the folder to STEERSCOPE_FOLDERS.",
    )


def path_elsewhere(text: str, settings: Settings) -> bool:
    """Whether a model is named by a path that does not lead to anything on this machine.

    Args:
        text: a model string.
        settings: which folders a path may lead to.
    """
    text = text.strip()
    if not is_path(text):
        return False
    try:
        return not settings.may_name(Path(text)) or not Path(text).expanduser().exists()
    except (OSError, RuntimeError):  # cannot be asked, or ~name of a user that does not exist
        return True


def is_path(text: str) -> bool:
    """Whether a model string is a path, which only some machines may have.

    Args:
        text: a model string without white space around it.
    """
    return text.lower().endswith(".gguf") or text.startswith(("/", ".", "~"))


def _local(text: str) -> ModelReference:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~name of a user that does not exist
        path = Path(text)
    if _is(Path.is_dir, path):
        return ModelReference("folder", str(path.resolve()))
    if _is(Path.is_file, path) and path.suffix.lower() == ".gguf":
        return ModelReference("gguf", str(path.resolve()))
    found = "is a file of another kind" if _is(Path.is_file, path) else "does not exist"
    raise ModelNotFound(
        f"The path {text[:_LONGEST_SHOWN]!r} {found}.",
        expected="a folder with config.json, tokenizer and safetensors, or a .gguf file.",
        remedy="check the path. It is one of the machine that loads the model: for a job, its "
        "worker's.",
    )


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    """``path.is_dir()`` or ``path.is_file()``; False where the path cannot even be asked."""
    try:
        return kind(path)
    except OSError:  # a name too long, or a folder that may not be entered
        return False
