"""What can be said against a request without loading its model: torch alone takes seconds."""

from __future__ import annotations

from backend.errors import ExtractionError
from backend.models.layers import check_layers
from backend.models.on_disk import model_size
from backend.runs.engines import SIMULATED_PREFIX, engine_of, splits_models
from backend.settings import Settings
from backend.store.run import open_run
from backend.store.study import find_study
from backend.types import ExtractionRequest


def check_request(settings: Settings, request: ExtractionRequest) -> None:
    """Refuse a request whose study, run or layers are not there; a model that is not on this
    machine is checked when it is loaded.

    Args:
        settings: where the store is.
        request: what is asked for.

    Raises:
        StudyNotFound, RunNotFound: there is none of that name.
        LayerOutOfRange: the model has no such layer.
        ExtractionError: there is no such engine, or it cannot split a model.
        ModelNotFound, ModelError: the model's name or files are of no use.
    """
    if request.derives:
        check_run(settings, request.derives)
        return
    find_study(settings, request.study)
    engine_of(request)
    if max(request.tensor_parallel, request.pipeline_parallel) > 1:
        _check_splits(request.engine)
    if request.model.startswith(SIMULATED_PREFIX):
        return
    size = model_size(request.model, settings)
    if size is not None:
        check_layers(size.depth, request.layers)


def _check_splits(engine: str) -> None:
    if not splits_models(engine):
        raise ExtractionError(
            f"The engine {engine} does not split a model over several devices.",
            expected="tensor and pipeline parallel sizes of 1.",
            remedy="use --engine vllm, or leave --tensor-parallel and --pipeline-parallel out.",
        )


def check_run(settings: Settings, run_id: str) -> None:
    """Refuse a run that is not there, or whose file cannot be read; damaged derived tables do not
    matter, as they are to be made anew.

    Args:
        settings: where the store is.
        run_id: the run.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: its file is damaged or of another format.
    """
    with open_run(settings, run_id, derived=False):
        pass
