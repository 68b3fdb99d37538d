"""A loaded model that pools texts, on its GPU or CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from backend.core.first_token import FirstTokens
from backend.errors import NotEnoughMemory
from backend.extraction.engine import LOCAL, Batch, PooledBatch, Report, SourceRecord
from backend.extraction.planned import PlannedStudy, model_record, plan_study
from backend.extraction.pooling import Pooled, PooledForward
from backend.extraction.spans import EncodedText, check_ids
from backend.models.load import LoadedModel
from backend.types import ExtractionRequest, Study


@contextmanager
def open_model(
    loaded: LoadedModel,
    study: Study,
    request: ExtractionRequest,
    report: Report = lambda _: None,
) -> Iterator[OpenModel]:
    """A loaded model, hooked to pool the texts of a study; restored on leaving.

    Args:
        loaded: the model.
        study: whose texts are pooled.
        request: layers, pooling and padded tokens per batch (0 chooses by device).
        report: told while the texts are encoded; what it raises ends that.

    Raises:
        ExtractionError: a text cannot be encoded, has a token that the model does not know or
            leaves nothing to pool, a layer does not exist, or the budget is not positive.
    """
    planned = plan_study(loaded, study, request, loaded.device, report)
    check_ids(planned.texts, planned.names, loaded.embedding_rows)
    forward = PooledForward(loaded.model, loaded.depth, request.layers, request.pooling)
    with forward.opened():
        record = model_record(
            loaded,
            request,
            planned,
            engine=LOCAL,
            architecture=type(loaded.model).__name__,
            device=loaded.runs_on,
            dtype=loaded.dtype,
        )
        opened = OpenModel(planned, record, SplittingPooler(forward))
        try:
            yield opened
        finally:
            opened.let_go()


class OpenModel:
    """A model that is ready to pool; see :class:`backend.extraction.engine.OpenEngine`.

    On CUDA the next batch is begun before one is waited for, so that the GPU computes while results
    are checked and kept. It is where batches are pooled in their order.

    Args:
        planned: the texts, in batches.
        record: where the activations come from.
        pooler: pools encoded texts.
    """

    def __init__(
        self, planned: PlannedStudy, record: SourceRecord, pooler: SplittingPooler
    ) -> None:
        self.batches, self.record = planned.batches, record
        self._planned = planned
        self._pooler: SplittingPooler | None = pooler
        # Elsewhere a pass is over when it has been begun.
        ahead = record.device.startswith("cuda")
        self._following = dict(pairwise(planned.batches)) if ahead else {}
        # The batch that is expected next, and its pass if that was begun.
        self._expected: Batch | None = planned.batches[0] if planned.batches else None
        self._begun: Callable[[], Pooled] | None = None

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of one batch.

        Raises:
            NotEnoughMemory: a single text does not fit.
            ExtractionError: an activation is not finite.
            RuntimeError: the model was let go of.
        """
        if self._pooler is None:
            raise RuntimeError("the engine is closed")
        in_order, begun = batch == self._expected, self._begun
        following = self._following.get(batch)
        self._expected, self._begun = following, None
        if begun is None or not in_order:
            begun = self._pooler.begin(self._planned.texts_of(batch))
        if in_order and following is not None:
            self._begun = self._pooler.begin(self._planned.texts_of(following))
        return self._planned.checked(batch, begun(), self.record)

    def let_go(self) -> None:
        """Let go of the model: runs are derived with its memory."""
        self._pooler = self._begun = None


class SplittingPooler:
    """Halves a batch that does not fit into the device's memory.

    Args:
        forward: opened.
    """

    def __init__(self, forward: PooledForward) -> None:
        self._forward = forward

    def begin(self, texts: Sequence[EncodedText]) -> Callable[[], Pooled]:
        """Begin a batch; see :meth:`PooledForward.begin`. One that does not fit beside what is
        being computed is pooled when it is asked for."""
        try:
            return self._forward.begin(texts)
        except torch.OutOfMemoryError:
            return partial(self.pool, texts)

    def pool(self, texts: Sequence[EncodedText]) -> Pooled:
        """Pooled activations of a batch.

        Raises:
            NotEnoughMemory: a single text does not fit.
        """
        try:
            return self._forward.pool(texts)
        except torch.OutOfMemoryError as fault:
            if len(texts) == 1:
                raise NotEnoughMemory(
                    f"One text of {len(texts[0].ids)} tokens does not fit into device memory.",
                    expected="room for the weights and one text's activations.",
                    remedy="free device memory, choose a smaller dtype or device cpu.",
                ) from fault
        half = len(texts) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return _joined(self.pool(texts[:half]), self.pool(texts[half:]))


def _joined(one: Pooled, other: Pooled) -> Pooled:
    return Pooled(
        np.concatenate([one.activations, other.activations], axis=1),
        FirstTokens(
            np.concatenate([one.first.norms, other.first.norms], axis=1),
            np.concatenate([one.first.shares, other.first.shares], axis=1),
        ),
    )
