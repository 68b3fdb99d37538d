"""A store with a small simulated study of two models, made once per test session."""

from __future__ import annotations

import shutil
from functools import cache

from backend.phantom.plan import plan_of
from backend.phantom.published.phantom import PublishedPhantom
from backend.runs.phantom_run import publish_phantom
from backend.settings import Settings
from backend.types import StudyRef
from tests.support.kept import kept_store

SIZES = {"models": 2, "traits": 3, "layers": 3, "scenarios": 60, "prompts": 6, "width": 96}


def publish_small_phantom(
    settings: Settings, responders: int = 1
) -> tuple[StudyRef, tuple[str, ...]]:
    """Copy the study and runs of a small phantom into a store.

    Two models, three traits (prompts of outlying direction in the first two), three layers, 60
    scenarios, six prompts a pole, 96 coordinates. With several responders the cases of one
    scenario are dependent.

    Returns:
        The study and the ids of its two runs.
    """
    return _copied(settings, *_drawn(responders))


def publish_small_preset(settings: Settings) -> tuple[StudyRef, tuple[str, ...]]:
    """Copy the published study's 24 cells, with 60 scenarios and two layers, into a store.

    Returns:
        The study and the ids of its three runs.
    """
    return _copied(settings, *_preset())


def _copied(
    settings: Settings, kept: Settings, ref: StudyRef, run_ids: tuple[str, ...]
) -> tuple[StudyRef, tuple[str, ...]]:
    settings.make_folders()
    for folder in ("studies", "runs"):
        for path in getattr(kept, folder).iterdir():
            shutil.copyfile(path, getattr(settings, folder) / path.name)
    return ref, run_ids


@cache
def _drawn(responders: int) -> tuple[Settings, StudyRef, tuple[str, ...]]:
    kept = kept_store()
    plan = plan_of("demo", 13, ["direction_outliers"], **SIZES, responders=responders)
    return kept, *publish_phantom(kept, plan, lambda _: None)


@cache
def _preset() -> tuple[Settings, StudyRef, tuple[str, ...]]:
    kept = kept_store()
    phantom = PublishedPhantom(layers=(18, 19), scenarios=60)
    return kept, *publish_phantom(kept, phantom, lambda _: None)
