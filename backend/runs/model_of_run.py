"""The model that made a run, found again; and what only such a run can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backend.errors import ModelNotFound, StoreError
from backend.models.on_disk import model_folder
from backend.models.resolve import ResolvedModel, resolve
from backend.settings import Settings
from backend.store.run import Run
from backend.store.run_record import RunRecord
from backend.types import Progress


def check_answers(run: Run, layers: Sequence[int]) -> None:
    """Refuse what only a run of a model on this machine can be asked, of others.

    Args:
        run: an open run.
        layers: that are asked for.

    Raises:
        StoreError: no model read its texts here, or it lacks a layer.
    """
    record = run.record
    if not run.summary().has_model:
        raise StoreError(
            f"No model read the texts of run {record.run_id} here: it is {record.model_source}, "
            "so it has no tokens.",
            expected="a run that a model made.",
            remedy="choose a run of a real model.",
        )
    if not set(layers) <= set(record.layers) or not layers:
        raise StoreError(
            f"Run {record.run_id} has no layers {', '.join(map(str, layers)) or 'named'}.",
            expected=f"some of its layers: {', '.join(map(str, record.layers))}.",
            remedy="choose layers of the run.",
        )


def model_of_run(
    settings: Settings, record: RunRecord, report: Callable[[Progress], object]
) -> ResolvedModel:
    """The model that made a run, if it is on this machine and is still the same.

    Args:
        settings: where models are.
        record: of a run that a model made.
        report: told what is being done.

    Raises:
        ModelNotFound: its files are gone; nothing is downloaded.
        StoreError: its weights are others now.
    """
    folder = model_folder(record.model, settings)
    gone = record.model_source != "gguf" if folder is None else not folder.exists()
    if gone:
        raise ModelNotFound(
            f"The model {record.model} of run {record.run_id} is not on this machine.",
            expected="the model's files, as they were when the run was made.",
            remedy="extract any run with this model here; that fetches it.",
        )

    def told(stage: str, _: float | None) -> None:
        report(Progress(stage))

    resolved = resolve(record.model, settings, told)
    if resolved.weights_hash != record.weights_hash:
        raise another_model(record, "other weights")
    return resolved


def another_model(record: RunRecord, what: str) -> StoreError:
    """The fault that a model is no more what it was when a run was made.

    Args:
        record: of the run.
        what: such as ``another tokenizer``.
    """
    return StoreError(
        f"The model {record.model} has {what} than when run {record.run_id} was made.",
        expected="the same model, so that its tokens give the run's activations.",
        remedy="extract the run again, or restore the model's files.",
    )
