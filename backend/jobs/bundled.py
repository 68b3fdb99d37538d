"""The bundled studies: imported, extracted and simulated by themselves on first start."""

from __future__ import annotations

from backend.jobs.queue import JobQueue
from backend.models.presets import PRESETS_BY_NAME
from backend.phantom.published.phantom import PublishedPhantom
from backend.runs.engines import SIMULATED_PREFIX
from backend.runs.requests import parse_layers
from backend.runs.simulated_id import simulated_run_id
from backend.settings import DEFAULT_LAYERS, DEFAULT_MODEL, Settings
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.studies.imports import keep_study
from backend.studies.sample import SAMPLE_NAME, sample_path
from backend.types import ExtractionRequest

# A small model of another family than the sample's first, fetched when a user asks for it.
SECOND_MODEL = PRESETS_BY_NAME["gemma-3-270m"]
# What a user asks for comes first; the smaller number goes first, and 0 is the default.
LATER = 10


def enqueue_bundled(settings: Settings, queue: JobQueue) -> None:
    """Import the bundled studies and queue their runs, once per cache.

    The runs' names follow from the studies' content and the models, and the queue takes a name
    only once, so a second start or a second worker changes nothing. The real sample is first, the
    phantom waits behind whatever a user starts.
    """
    ref = keep_study(settings, sample_path(), SAMPLE_NAME).ref
    request = ExtractionRequest(
        study=ref.key, model=DEFAULT_MODEL, layers=parse_layers(DEFAULT_LAYERS)
    )
    queue.enqueue(request, run_id=f"{ref.name}-{ref.content_hash}-{DEFAULT_MODEL}")
    phantom = PublishedPhantom()
    ref = publish_study(settings, phantom.study, content_hash(phantom.study))
    for model in phantom.models:
        request = ExtractionRequest(ref.key, f"{SIMULATED_PREFIX}{model}", phantom.layers)
        queue.enqueue(request, run_id=simulated_run_id(ref, phantom, model), priority=LATER)


def second_model_run(study: str) -> str:
    """Id of the sample's run by the second model. Args: the sample's key."""
    return f"{study.replace('@', '-')}-{SECOND_MODEL.name}"


def enqueue_second_model(study: str, queue: JobQueue) -> str:
    """Queue the sample's run by the second model, which is fetched first. Repeatable.

    Args:
        study: the sample's key.
        queue: where it waits.

    Returns:
        The run's id.
    """
    request = ExtractionRequest(
        study=study, model=SECOND_MODEL.name, layers=parse_layers(SECOND_MODEL.layers)
    )
    return queue.enqueue(request, run_id=second_model_run(study))
