"""A model cut after the last wanted layer, whose residual stream is handed on as it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from backend.errors import UnsupportedArchitecture
from backend.extraction.onednn import fast_linears, onednn_helps
from backend.extraction.residual import Blocks, find_blocks
from backend.models.layers import check_layers

# Gets a layer and its residual stream, [texts, tokens, d].
Take = Callable[[int, torch.Tensor], None]


@contextmanager
def cut_after(
    model: Any, depth: int, layers: Sequence[int], take: Take, *, often: bool = True
) -> Iterator[nn.Module]:
    """The decoder of a model, without the blocks after the last wanted layer and hooked at the
    wanted ones; restored on leaving.

    Args:
        model: a causal language model of transformers, in eval mode.
        depth: number of its decoder blocks.
        layers: wanted layers, ascending; 0 is the embedding output (the first block's input), l
            the output of block l.
        take: called for each wanted layer of each pass, in order.
        often: whether so many texts are read that packing the weights for it pays.

    Yields:
        The decoder, to be called with ``input_ids`` and ``use_cache=False``.

    Raises:
        LayerOutOfRange: a layer is not in 0..depth, repeated or out of order, or none is given.
        UnsupportedArchitecture: it has no blocks that can be read, or is not causal.
    """
    check_layers(depth, layers)
    found = find_blocks(model, depth)
    owner, name = found.owner, found.name
    blocks: Any = found.list
    last = max(1, layers[-1])
    handles = []
    setattr(owner, name, blocks[:last])
    fast = ExitStack()
    try:
        if often and onednn_helps():
            fast.enter_context(fast_linears(blocks[:last], found.untouchable))
        if not found.still_give_the_same():
            fast.close()
            _check_cut(found, model, depth)
        for layer in layers:
            if layer == 0:
                hook = blocks[0].register_forward_pre_hook(_input(take), with_kwargs=True)
            else:
                hook = blocks[layer - 1].register_forward_hook(_output(take, layer))
            handles.append(hook)
        yield found.decoder
    finally:
        fast.close()
        for handle in handles:
            handle.remove()
        setattr(owner, name, blocks)


def _check_cut(found: Blocks, model: Any, depth: int) -> None:
    """Refuse a model whose first blocks need those after them."""
    if not found.still_give_the_same():
        raise UnsupportedArchitecture(
            f"{type(model).__name__} gives other activations when the blocks after the "
            "last wanted layer are left out.",
            expected="blocks that depend on those before them alone.",
            remedy=f"extract layer {depth} too, so that no block is left out.",
        )


def _output(take: Take, layer: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        take(layer, output[0] if isinstance(output, (tuple, list)) else output)

    return hook


def _input(take: Take) -> Any:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: Any) -> None:
        take(0, args[0] if args else kwargs["hidden_states"])

    return hook
