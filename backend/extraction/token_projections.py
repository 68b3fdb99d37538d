"""The residual stream of every token of a text along some directions, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.core.arrays import Floats
from backend.errors import ExtractionError, NotEnoughMemory
from backend.extraction.cut import cut_after
from backend.extraction.spans import EncodedText
from backend.models.load import LoadedModel


@dataclass(frozen=True, eq=False)
class ProjectedTokens:
    """The tokens of one text.

    Attributes:
        values: projection along each direction at each layer, [directions, layers, tokens],
            activation units; NaN where a direction has none at a layer.
        norms: length of the residual stream, [layers, tokens].
    """

    values: Floats
    norms: Floats


def project_tokens(
    loaded: LoadedModel,
    texts: Sequence[EncodedText],
    layers: Sequence[int],
    directions: Floats,
    waiting: Callable[[int], object] = lambda _: None,
) -> tuple[ProjectedTokens, ...]:
    """Project every token of some texts, each read by itself in one pass.

    The residual stream is taken in float32, which is what a run pools, and the products are in
    float64. So the mean over the pooled tokens is the projection of the run's activation up to
    rounding.

    Args:
        loaded: the model.
        texts: as the model reads them.
        layers: ascending.
        directions: unit vectors, [directions, layers, d]; NaN where there is none.
        waiting: called before each text with how many are done; what it raises ends the work.

    Raises:
        LayerOutOfRange, UnsupportedArchitecture: the model has no such layers, or cannot be read.
        NotEnoughMemory: a text does not fit on the device.
        ExtractionError: a residual stream is not finite.
    """
    streams: dict[int, Floats] = {}

    def take(layer: int, hidden: torch.Tensor) -> None:
        streams[layer] = hidden[0].float().cpu().double().numpy()

    device = next(loaded.model.parameters()).device
    found = []
    with cut_after(loaded.model, loaded.depth, layers, take, often=False) as decoder:
        for number, text in enumerate(texts):
            waiting(number)
            try:
                with torch.inference_mode():
                    decoder(input_ids=torch.tensor([text.ids], device=device), use_cache=False)
            except torch.OutOfMemoryError as fault:
                raise NotEnoughMemory(
                    f"One text of {len(text.ids)} tokens does not fit into device memory.",
                    expected="room for the weights and one text's activations.",
                    remedy="free device memory, or choose a shorter conversation.",
                ) from fault
            rows = [
                (streams[layer] @ directions[:, place].T, np.linalg.norm(streams[layer], axis=1))
                for place, layer in enumerate(layers)
            ]
            values = np.stack([products.T for products, _ in rows], axis=1)
            norms = np.stack([lengths for _, lengths in rows])
            if not np.isfinite(norms).all():
                raise ExtractionError(
                    f"The residual stream of a text of {len(text.ids)} tokens is not finite in "
                    f"{loaded.dtype}.",
                    expected="finite numbers.",
                    remedy="extract the run again with bfloat16 or float32.",
                )
            found.append(ProjectedTokens(values, norms))
    return tuple(found)
