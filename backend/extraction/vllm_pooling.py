"""What pools inside a worker of vLLM: hooks on the decoder blocks of its part of the model.

It runs in vLLM's environment, so it imports torch and vllm alone. vLLM mixes this class into its
worker (``worker_extension_cls``) and calls its methods by name on all workers (``collective_rpc``).

A worker reads the tokens of several texts one behind the other, [tokens, d], a long text in several
steps. Sums over the wanted tokens are kept by text until all of it has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

# Under this name a request carries which texts of the batch it reads, and which tokens are pooled
# of each.
EXTRA = "steerscope"
# Texts that a model is tried on before it is used: the second begins as the first.
SHORT, LONG = 8, 24


@dataclass
class _Step:
    """The texts of one step of the worker, which has some of the tokens of each.

    Attributes:
        indices: pooled tokens, as places in the step; text after text.
        offsets: where each text begins in ``indices``.
        weights: of the pooled tokens, in the same order.
        new: which of the texts begin in this step.
        new_texts: their places in the batch.
        new_tokens: their first tokens, as places in the step.
        old: which of the texts go on.
        old_texts: their places in the batch.
    """

    indices: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor
    new: torch.Tensor
    new_texts: torch.Tensor
    new_tokens: torch.Tensor
    old: torch.Tensor
    old_texts: torch.Tensor


class PoolingExtension:
    """Methods that vLLM's worker gets; ``self`` is the worker."""

    model_runner: Any
    device: torch.device

    def steerscope_hook(
        self, depth: int, width: int, layers: Sequence[int]
    ) -> tuple[str, list[int], str]:
        """Cut the worker's part of the model after the last wanted layer, and hook the wanted ones.

        Args:
            depth: number of the whole model's decoder blocks.
            width: coordinates of an activation.
            layers: wanted ones, ascending.

        Returns:
            Class name of the model; layers that this worker gives; why it cannot be used, or empty.
        """
        self._steerscope = _Pooler(self.model_runner, torch.device(self.device))
        model = self.model_runner.get_model()
        fault = self._steerscope.hook(model, depth, width, layers)
        return type(model).__name__, self._steerscope.layers, fault

    def steerscope_begin(self, texts: int) -> None:
        """Make room for a batch. Args: how many texts it has."""
        self._steerscope.begin(texts)

    def steerscope_tried(self) -> str:
        """Why the model that read the two texts of a trial cannot be used; empty if it can."""
        return self._steerscope.tried()

    def steerscope_take(self) -> tuple[list[int], NDArray[np.float32], list[int]] | None:
        """What the batch has given.

        Returns:
            The layers; beside each other for each of them and each text the pooled activation, the
            norm of the first token and its product with the pooled activation, [layers, texts,
            d + 2], float32; how many tokens of each text were read. None where another worker gives
            the same, or no layer is here.
        """
        return self._steerscope.take()


class _Pooler:
    """The hooks of one worker and what they have summed up.

    Args:
        runner: vLLM's model runner.
        device: of the worker.
    """

    def __init__(self, runner: Any, device: torch.device) -> None:
        self._runner, self._device = runner, device
        self.layers: list[int] = []
        self._speaks = False
        self._width = 0
        self._step: _Step | None = None
        self._trial = _Trial()
        self._sums = self._first = torch.empty(0)
        self._read: list[int] = []

    def hook(self, model: nn.Module, depth: int, width: int, layers: Sequence[int]) -> str:
        """See :meth:`PoolingExtension.steerscope_hook`."""
        # Imported here: only workers of vLLM have it.
        from vllm.distributed import get_pp_group, get_tensor_model_parallel_rank

        runner = self._runner
        if not get_pp_group().is_first_rank and runner.intermediate_tensors is None:
            # What the part of the model before this one gives. vLLM makes room for it as it warms
            # up, which it leaves out on CPUs.
            runner.intermediate_tensors = runner.model.make_empty_intermediate_tensors(
                batch_size=runner.max_num_tokens,
                dtype=runner.model_config.dtype,
                device=self._device,
            )
        found = [
            (owner, child)
            for owner in model.modules()
            for child in owner.children()
            if isinstance(child, nn.ModuleList)
            and len(child) == depth
            and hasattr(owner, "start_layer")
            and hasattr(owner, "end_layer")
        ]
        if len(found) != 1:
            return f"{type(model).__name__} has {len(found)} lists of {depth} decoder blocks"
        owner, blocks = found[0]
        start: int = owner.start_layer  # type: ignore[assignment]
        end = min(int(owner.end_layer), max(1, layers[-1]))  # type: ignore[arg-type]
        owner.end_layer = end  # type: ignore[assignment]
        # The residual stream is the same on all workers that share a layer.
        self._speaks = get_tensor_model_parallel_rank() == 0
        self._width = self._trial.width = width
        here = range(start, end)
        for place in here:
            block = blocks[place]
            if place == start:
                block.register_forward_pre_hook(self._begins, with_kwargs=True)
            self._trial.watch(block, place)
            if place == 0 and 0 in layers:
                self.layers.append(0)
                block.register_forward_pre_hook(self._before, with_kwargs=True)
            if place + 1 in layers:
                self.layers.append(place + 1)
                block.register_forward_hook(self._after(len(self.layers) - 1))
        return ""

    def begin(self, texts: int) -> None:
        """See :meth:`PoolingExtension.steerscope_begin`."""
        shape = (len(self.layers), texts, self._width)
        self._sums = torch.zeros(shape, device=self._device)
        self._first = torch.zeros(shape, device=self._device)
        self._read = [0] * texts

    def tried(self) -> str:
        """See :meth:`PoolingExtension.steerscope_tried`."""
        self._trial.end()
        return self._trial.fault

    def take(self) -> tuple[list[int], NDArray[np.float32], list[int]] | None:
        """See :meth:`PoolingExtension.steerscope_take`."""
        sums, first = self._sums, self._first
        self._sums = self._first = torch.empty(0)
        if not self._speaks or not self.layers:
            return None
        watched = torch.stack([first.norm(dim=2), (first * sums).sum(dim=2)], dim=2)
        host: NDArray[np.float32] = torch.cat([sums, watched], dim=2).cpu().numpy()
        return self.layers, host, self._read

    def _begins(self, _module: nn.Module, _args: Any, _kwargs: Any) -> None:
        """The first block of this worker is about to run: which texts are these?"""
        runner = self._runner
        names: list[str] = runner.input_batch.req_ids
        starts = [int(place) for place in runner.query_start_loc.np[: len(names) + 1]]
        begun = [int(count) for count in runner.input_batch.num_computed_tokens_cpu[: len(names)]]
        texts: list[int] = []
        indices: list[int] = []
        offsets: list[int] = []
        weights: list[float] = []
        tokens: list[int] = []
        begins: list[bool] = []
        for name, before, start, end in zip(names, begun, starts, starts[1:], strict=False):
            said = runner.requests[name].sampling_params.extra_args[EXTRA]
            for text, pooled in zip(said["texts"], said["pooled"], strict=True):
                texts.append(text)
                tokens.append(start)
                begins.append(before == 0)
                offsets.append(len(indices))
                ranges = list(zip(pooled[::2], pooled[1::2], strict=True))
                count = sum(last - first for first, last in ranges)
                for first, last in ranges:
                    inside = range(max(first, before), min(last, before + end - start))
                    indices.extend(place - before + start for place in inside)
                    weights.extend([1.0 / count] * len(inside))
                # A text that was put off begins anew. After a gap, less than the text is counted.
                if before in (0, self._read[text]):
                    self._read[text] = before + end - start
        new = [place for place, begin in enumerate(begins) if begin]
        old = [place for place, begin in enumerate(begins) if not begin]
        self._step = _Step(
            indices=self._places(indices),
            offsets=self._places(offsets),
            weights=torch.tensor(weights, dtype=torch.float32, device=self._device),
            new=self._places(new),
            new_texts=self._places([texts[place] for place in new]),
            new_tokens=self._places([tokens[place] for place in new]),
            old=self._places(old),
            old_texts=self._places([texts[place] for place in old]),
        )
        self._trial.starts = starts

    def _places(self, places: Sequence[int]) -> torch.Tensor:
        return torch.tensor(places, dtype=torch.long, device=self._device)

    def _before(self, _module: nn.Module, args: Any, kwargs: Any) -> None:
        self._reduce(0, _stream(*_given(args, kwargs, self._width)))

    def _after(self, row: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            self._reduce(row, _stream(*_made(output)))

        return hook

    def _reduce(self, row: int, stream: torch.Tensor) -> None:
        """Add the pooled tokens of a step to the sums of their texts.

        Args:
            row: of the layer.
            stream: [tokens, d].
        """
        step = self._step
        assert step is not None  # the first block's hook made it
        stream = stream.float()
        # Each text's tokens are summed apart, in their order: what is not finite stays where it
        # is, and the same step gives the same bits.
        pooled = torch.nn.functional.embedding_bag(
            step.indices, stream, step.offsets, mode="sum", per_sample_weights=step.weights
        )
        self._sums[row, step.new_texts] = pooled[step.new]
        self._first[row, step.new_texts] = stream[step.new_tokens]
        self._sums[row, step.old_texts] += pooled[step.old]


class _Trial:
    """Whether a model's blocks are what the hooks take them for.

    Blocks of most models of vLLM hand on what the last part added and the stream before it, which
    the next block adds up. Some use the same two places in another way, so each block is also run
    on the sum alone, and must give the same.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.fault = ""
        self.width = 0
        self._handles: list[Any] = []
        self._given: tuple[torch.Tensor, torch.Tensor | None] | None = None
        self._last: torch.Tensor | None = None

    def watch(self, block: nn.Module, place: int) -> None:
        """Hook a block. Args: the block, and its number, counted from 0."""

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._before(module, place, args, kwargs)

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self._after(module, place, args, kwargs, output)

        self._handles += [
            block.register_forward_pre_hook(before, with_kwargs=True),
            block.register_forward_hook(after, with_kwargs=True),
        ]

    def end(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._given = self._last = None

    def _before(self, module: nn.Module, place: int, args: Any, kwargs: Any) -> None:
        found = _tensors(args, kwargs, self.width)
        if not 1 <= len(found) <= 2:
            self._refuse(module, place, f"takes {len(found)} tensors of width {self.width}")
            return
        # A block may write into what it is given.
        hidden, residual = _given(args, kwargs, self.width)
        self._given = (hidden.clone(), None if residual is None else residual.clone())
        if self._last is not None and _apart(_stream(*self._given), self._last):
            self._refuse(module, place, "does not go on from what the block before it gave")

    def _after(self, module: nn.Module, place: int, args: Any, kwargs: Any, output: Any) -> None:
        given = self._given
        if self.fault or given is None:
            return
        pair = isinstance(output, tuple) and len(output) == 2
        made = output if pair else (output,)
        if not all(isinstance(one, torch.Tensor) and one.shape == given[0].shape for one in made):
            self._refuse(module, place, "gives something else than one vector a token")
            return
        self._last = stream = _stream(*_made(output)).clone()
        self._check_causal(module, place, stream)
        if given[1] is not None or pair:
            new_args, new_kwargs = _replaced(args, kwargs, self.width, _stream(*given))
            again = module.forward(*new_args, **new_kwargs)
            if _apart(_stream(*_made(again)), stream):
                self._refuse(module, place, "does not add up the two tensors that it is given")

    def _check_causal(self, module: nn.Module, place: int, stream: torch.Tensor) -> None:
        if len(self.starts) != 3:
            self._refuse(module, place, "was not given the two texts of the trial at once")
            return
        one, other = sorted(
            (stream[start:end] for start, end in zip(self.starts, self.starts[1:], strict=False)),
            key=len,
        )
        if _apart(one, other[: len(one)]):
            self._refuse(module, place, "is not causal: a text gives another beginning")

    def _refuse(self, module: nn.Module, place: int, why: str) -> None:
        self.fault = self.fault or f"block {place + 1} ({type(module).__name__}) {why}"


def _tensors(args: Any, kwargs: Any, width: int) -> list[torch.Tensor]:
    """Those among a block's arguments that have a vector a token, in their order."""
    return [
        one
        for one in (*args, *kwargs.values())
        if isinstance(one, torch.Tensor)
        and one.is_floating_point()
        and one.ndim == 2
        and one.shape[1] == width
    ]


def _given(args: Any, kwargs: Any, width: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a block is given: what was added last, and the stream before that or None."""
    found = _tensors(args, kwargs, width)
    return found[0], found[1] if len(found) > 1 else None


def _made(output: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a block gives, likewise."""
    if isinstance(output, torch.Tensor):
        return output, None
    hidden, residual = output
    return hidden, residual


def _stream(hidden: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
    """The residual stream, in the model's number type as the next block has it."""
    return hidden if residual is None else hidden + residual


def _replaced(
    args: Any, kwargs: Any, width: int, total: torch.Tensor
) -> tuple[list[Any], dict[str, Any]]:
    """A block's arguments with the stream as a whole in the place of its two parts."""
    parts = _tensors(args, kwargs, width)

    def new(one: Any) -> Any:
        if one is parts[0]:
            return total
        return None if len(parts) > 1 and one is parts[1] else one

    return [new(one) for one in args], {name: new(one) for name, one in kwargs.items()}


def _apart(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two streams differ by more than half of the digits of their number type, in the
    median over tokens: rounding alone can send single tokens to other experts. What is not finite
    tells nothing."""
    allowed = torch.finfo(one.dtype).eps ** 0.5
    first, second = one.double(), other.double()
    apart = (first - second).norm(dim=-1) / second.norm(dim=-1).clamp_min(1e-30)
    apart = apart[apart.isfinite()]
    return bool(apart.numel()) and float(apart.median()) > allowed
