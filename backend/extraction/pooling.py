"""Pool the residual stream inside the forward pass, and watch what the first token does to it.

Hooks on the wanted decoder blocks reduce [B, T, d] to [B, d] at once, in float32 or better, so
no full hidden state outlives its block. The decoder is cut after the last wanted block, and the
language-model head is never called. Sequences are padded on the right and the model is causal,
so no real token can see the padding and no attention mask is needed. Nor can it see what follows
its text, so a text that begins another one of its batch is pooled in the pass of that.

A pass can be begun before the one before it is fetched, so that a GPU always has the next at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.core.first_token import FirstTokens, first_tokens
from backend.extraction.batches import read_together
from backend.extraction.cut import cut_after
from backend.extraction.residual import decoder_of
from backend.extraction.spans import EncodedText
from backend.extraction.transfers import fetched, sent
from backend.models.layers import check_layers
from backend.types import Pooling


@dataclass(frozen=True)
class Pooled:
    """One batch, pooled.

    Attributes:
        activations: [layers, texts, d], float32, in the order of the layers and texts given.
        first: of the same layers and texts, [layers, texts].
    """

    activations: NDArray[np.float32]
    first: FirstTokens


class PooledForward:
    """A model cut after the last wanted layer, with pooling hooks. Use it as a context manager.

    Args:
        model: a causal language model of transformers, in eval mode.
        depth: number of its decoder blocks.
        layers: wanted layers, ascending; 0 is the embedding output (the first block's input), l
            the output of block l.
        pooling: which of the wanted tokens are averaged (:meth:`EncodedText.pooled`).

    Raises:
        LayerOutOfRange: a layer is not in 0..depth, repeated or out of order, or none is given.
    """

    def __init__(self, model: Any, depth: int, layers: Sequence[int], pooling: Pooling) -> None:
        check_layers(depth, layers)
        self._model = model
        self._decoder = decoder_of(model)
        self._depth = depth
        self._layers = tuple(layers)
        self._pooling = pooling
        self._device = next(model.parameters()).device
        # Of the batch: each token's weight in each text, [passes, texts of a pass, tokens], and
        # where each text is in that.
        self._weights: torch.Tensor | None = None
        self._places: tuple[torch.Tensor, ...] = ()
        self._pooled: dict[int, torch.Tensor] = {}

    @contextmanager
    def opened(self) -> Iterator[PooledForward]:
        """Cut the model and hook its blocks; both are undone on leaving.

        Raises:
            UnsupportedArchitecture: it has no blocks that can be read, or is not causal.
        """
        with cut_after(self._model, self._depth, self._layers, self._reduce):
            yield self

    def pool(self, texts: Sequence[EncodedText]) -> Pooled:
        """Pooled activations of one batch.

        Args:
            texts: the batch; at least one text, each with a token that the pooling takes. Where
                positions change with the length, of one side of that.
        """
        return self.begin(texts)()

    def begin(self, texts: Sequence[EncodedText]) -> Callable[[], Pooled]:
        """Begin the pass of one batch; a GPU goes on with it while the host does something else.

        Args:
            texts: as for :meth:`pool`.

        Returns:
            Waits for the pass, and gives what :meth:`pool` would; called once, at any time.
        """
        read = read_together([text.ids for text in texts])
        longest = max(len(texts[index].ids) for index in read)
        ids = torch.zeros((len(read), longest), dtype=torch.long)
        most = max(map(len, read.values()))
        weights = torch.zeros((len(read), most, longest), dtype=torch.float64)
        rows, slots = np.zeros((2, len(texts)), np.intp)
        for row, (holder, own) in enumerate(read.items()):
            count = len(texts[holder].ids)
            ids[row, :count] = torch.tensor(texts[holder].ids)
            # Padding repeats the last real token: any id will do, as nothing attends to it.
            ids[row, count:] = texts[holder].ids[-1]
            for slot, index in enumerate(own):
                taken = torch.tensor(texts[index].pooled(self._pooling)).double()
                weights[row, slot, : len(taken)] = taken / taken.sum()
                rows[index], slots[index] = row, slot
        self._places = tuple(sent(torch.from_numpy(part), self._device) for part in (rows, slots))
        # MPS has no float64; weights are only needed to float32.
        self._weights = sent(weights.float(), self._device)
        self._pooled = {}
        with torch.inference_mode():
            self._decoder(input_ids=sent(ids, self._device), use_cache=False)
            stacked = torch.stack([self._pooled[layer] for layer in self._layers]).float()
            waited = fetched(stacked)
        self._pooled = {}
        of_first = weights[rows, slots, 0].numpy()

        def pooled() -> Pooled:
            host: NDArray[np.float32] = waited().numpy()
            activations = host[..., :-2]
            first = first_tokens(activations, host[..., -2], host[..., -1], of_first)
            return Pooled(activations, first)

        return pooled

    def _reduce(self, layer: int, hidden: torch.Tensor) -> None:
        assert self._weights is not None  # set by begin() before the forward pass
        hidden = hidden if hidden.dtype == torch.float64 else hidden.float()
        weights = self._weights.to(device=hidden.device, dtype=hidden.dtype)
        rows, slots = (place.to(hidden.device) for place in self._places)
        pooled = torch.bmm(weights, hidden)[rows, slots]
        first = hidden[rows, 0]  # padding is on the right, so this is every text's first token
        watched = torch.stack([first.norm(dim=1), (first * pooled).sum(dim=1)], dim=1)
        # Beside the activations, so that one copy takes all of a batch to the host.
        self._pooled[layer] = torch.cat([pooled, watched], dim=1).to(self._device)
