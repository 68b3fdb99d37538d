"""Find a model's decoder blocks by running it, and see that its residual stream can be read.

A list of the right length need not hold the blocks, and a model that transformers files under
"causal" need not be causal. So both are seen by running a few tokens: the blocks are the modules
that hand the residual stream to each other, and a short text alone must give what it gives in
front of other tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from backend.errors import NotEnoughMemory, UnsupportedArchitecture
from backend.extraction.onednn import read_directly
from backend.extraction.resident import passing_through

# Tokens of the short and of the long text that are run.
SHORT, LONG = 6, 24
# What a model may raise when it is given tokens and nothing else.
_FAULTS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Blocks:
    """Where a model's decoder blocks are.

    Attributes:
        decoder: the model without its head.
        owner: the module that holds their list.
        name: of the attribute that is the list.
        untouchable: linear layers in them whose weights something else reads, by ``id``.
        ids: two texts that were run to find them, [2, LONG].
        states: their residual stream by layer, each [2, LONG, d].
    """

    decoder: nn.Module
    owner: nn.Module
    name: str
    untouchable: frozenset[int]
    ids: torch.Tensor
    states: tuple[torch.Tensor, ...]

    @property
    def list(self) -> nn.ModuleList:
        """The blocks, in order."""
        found: nn.ModuleList = getattr(self.owner, self.name)
        return found

    def still_give_the_same(self) -> bool:
        """Whether the blocks that are left of the list give what all of them gave.

        Asked after the list was cut, or after linear layers were exchanged. The same means to half
        of the digits of the number type.
        """
        now = self.list
        try:
            with _watched(list(now)) as seen:
                _run(self.decoder, self.ids, type(self.decoder).__name__)
        except UnsupportedArchitecture:
            return False
        states = _chain(seen, len(now))
        return states is not None and all(
            _apart(one, many) <= _allowed(many)
            for one, many in zip(states, self.states, strict=False)
        )


@dataclass
class _Seen:
    """What went through one list of modules in one run: module, input and output, in order."""

    calls: list[tuple[int, Any, Any]]


def find_blocks(model: Any, depth: int) -> Blocks:
    """The decoder blocks of a model whose residual stream can be read.

    Args:
        model: a causal language model of transformers, in eval mode.
        depth: number of blocks that its config names.

    Raises:
        UnsupportedArchitecture: it has no such blocks, they put out something else than
            [texts, tokens, d], it cannot read tokens alone, or it is not causal.
        NotEnoughMemory: not even a few tokens can be run.
    """
    decoder = decoder_of(model)
    name = type(model).__name__
    candidates = [
        (owner, attribute, child)
        for owner in decoder.modules()
        for attribute, child in owner.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == depth
    ]
    ids = _tokens(model)
    with ExitStack() as stack:
        seen = [stack.enter_context(_watched(list(child))) for _, _, child in candidates]
        direct = stack.enter_context(read_directly([child for _, _, child in candidates]))
        stack.enter_context(passing_through([one for _, _, child in candidates for one in child]))
        _run(decoder, ids, name)
    chains = [
        (place, states)
        for place, one in enumerate(seen)
        if (states := _chain(one, depth)) is not None
    ]
    if not chains:
        raise UnsupportedArchitecture(
            f"{name} holds no list of {depth} decoder blocks that hand the residual stream to "
            "each other.",
            expected="a decoder whose blocks are one torch ModuleList, as in Llama or Qwen2.",
            remedy="use a decoder-only model of transformers, or report the architecture.",
        )
    place, states = chains[0]
    owner, attribute, _child = candidates[place]
    shapes = {tuple(state.shape) for state in states}
    width = states[-1].shape[-1]
    if shapes != {(*ids.shape, width)}:
        odd = next(shape for shape in shapes if shape != (*ids.shape, width) or len(shapes) == 1)
        raise UnsupportedArchitecture(
            f"The blocks of {name} put out {_named(odd, ids)} numbers instead of one vector a "
            "token.",
            expected="a residual stream of [texts, tokens, width], as in Llama or Qwen2.",
            remedy="use another model; this one keeps more than one stream, or in another order.",
        )
    blocks = Blocks(decoder, owner, attribute, frozenset(direct), ids, tuple(states))
    _check_causal(blocks, name)
    return blocks


def decoder_of(model: Any) -> nn.Module:
    """A causal language model without its head.

    Args:
        model: of transformers. Where it calls its head "decoder", its base model is meant.
    """
    decoder: nn.Module = model.get_decoder()
    if isinstance(decoder, nn.Linear):
        base: nn.Module = model.base_model
        return base
    return decoder


def _check_causal(blocks: Blocks, name: str) -> None:
    """See that a short text gives the same alone and in front of other tokens, beside another.

    Args:
        blocks: of the model.
        name: of the model.

    Raises:
        UnsupportedArchitecture: it does not, by more than half of the digits of the number type.
    """
    with _watched(list(blocks.list)) as seen, passing_through(list(blocks.list)):
        _run(blocks.decoder, blocks.ids[:1, :SHORT], name)
    alone = _chain(seen, len(blocks.list))
    assert alone is not None  # the same blocks made a chain a moment ago
    for layer, (one, many) in enumerate(zip(alone, blocks.states, strict=True)):
        apart, allowed = _apart(one, many[:1, :SHORT]), _allowed(many)
        if apart > allowed:
            raise UnsupportedArchitecture(
                f"{name} is not causal: a text of {SHORT} tokens gives other activations alone "
                f"than in front of {LONG - SHORT} other tokens (layer {layer}, relative "
                f"difference {apart:.1g}, allowed {allowed:.1g}).",
                expected="a model whose tokens see only those before them, so that padding and "
                "batches change nothing.",
                remedy="use a decoder that reads from left to right. Encoders, embedding models "
                "and is_causal: false in config.json read both ways.",
            )


def _allowed(states: torch.Tensor) -> float:
    """The relative difference that rounding may make: half of the digits of the number type."""
    return float(torch.finfo(states.dtype).eps ** 0.5)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Relative difference of two residual streams, the median over tokens, [texts, tokens, d].

    The median, because rounding alone can send single tokens to other experts. What is not finite
    tells nothing: the first batch that holds such a number is refused by name.
    """
    one, other = one.double(), other.double()
    apart = (one - other).norm(dim=-1) / other.norm(dim=-1).clamp_min(1e-30)
    apart = apart[apart.isfinite()]
    return float(apart.median()) if apart.numel() else 0.0


def _tokens(model: Any) -> torch.Tensor:
    """Two texts of ordinary tokens, [2, LONG], the same for every model of one vocabulary."""
    config = model.config.get_text_config()
    special = {
        value
        for one in (model.config, config)
        for key, value in one.to_dict().items()
        if key.endswith("token_id") and isinstance(value, int)
    }
    size = int(config.vocab_size)
    ordinary = [token for token in range(size // 10, size) if token not in special]
    drawn = torch.randint(len(ordinary), (2, LONG), generator=torch.Generator().manual_seed(0))
    device = next(model.parameters()).device
    return torch.tensor(ordinary)[drawn].to(device)


def _run(decoder: nn.Module, ids: torch.Tensor, name: str) -> None:
    try:
        with torch.inference_mode():
            decoder(input_ids=ids, use_cache=False)
    except torch.OutOfMemoryError as fault:
        raise NotEnoughMemory(
            f"{name} does not fit beside {ids.numel()} tokens: {fault}",
            expected="room for the weights and some activations.",
            remedy="free memory, choose a smaller dtype or model, or another device.",
        ) from fault
    except _FAULTS as fault:
        raise UnsupportedArchitecture(
            f"{name} cannot run on the tokens of a text alone: {str(fault).strip()[:200]}",
            expected="a decoder that needs token ids and nothing else.",
            remedy="use a decoder-only language model of text.",
        ) from fault


@contextmanager
def _watched(modules: Sequence[nn.Module]) -> Iterator[_Seen]:
    """Note what goes into and comes out of some modules."""
    seen = _Seen([])

    def hook(place: int) -> Callable[..., None]:
        def note(_module: nn.Module, args: tuple[Any, ...], kwargs: Any, output: Any) -> None:
            given = args[0] if args else kwargs.get("hidden_states")
            made = output[0] if isinstance(output, (tuple, list)) else output
            seen.calls.append((place, given, made))

        return note

    handles = [
        module.register_forward_hook(hook(place), with_kwargs=True)
        for place, module in enumerate(modules)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _chain(seen: _Seen, depth: int) -> list[torch.Tensor] | None:
    """The residual stream by layer, if the modules ran once each and each fed the next."""
    if [place for place, _, _ in seen.calls] != list(range(depth)):
        return None
    given = [one for _, one, _ in seen.calls]
    made = [one for _, _, one in seen.calls]
    if not all(isinstance(one, torch.Tensor) for one in (*given, *made)):
        return None
    for before, after in zip(made[:-1], given[1:], strict=True):
        same = before is after or (
            before.shape == after.shape
            # Blocks may be on different GPUs.
            and torch.equal(before.nan_to_num(), after.nan_to_num().to(before.device))
        )
        if not same:
            return None
    return [given[0], *made]


def _named(shape: tuple[int, ...], ids: torch.Tensor) -> str:
    names = {ids.shape[0]: "texts", ids.shape[1]: "tokens"}
    return "[" + ", ".join(names.get(size, str(size)) for size in shape) + "]"
