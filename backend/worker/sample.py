"""The bundled sample: imported and extracted by itself on first start."""

from __future__ import annotations

from backend.jobs.imports import import_study
from backend.jobs.queue import JobQueue
from backend.jobs.requests import parse_layers
from backend.settings import DEFAULT_LAYERS, DEFAULT_MODEL, Settings
from backend.studies.sample import SAMPLE_NAME, sample_path
from backend.types import ExtractionRequest


def enqueue_sample(settings: Settings, queue: JobQueue) -> str:
    """Import the sample and queue its extraction by the embedded model, once per cache.

    The run's name follows from the study's content and the model, and the queue takes a name
    only once, so a second start or a second worker changes nothing.

    Returns:
        The run id.
    """
    ref = import_study(settings, sample_path(), SAMPLE_NAME)
    request = ExtractionRequest(
        study=ref.key, model=DEFAULT_MODEL, layers=parse_layers(DEFAULT_LAYERS)
    )
    return queue.enqueue(request, run_id=f"{ref.name}-{ref.content_hash}-{DEFAULT_MODEL}")
