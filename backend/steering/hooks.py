"""Apply interventions inside the forward passes of a model, each row of the batch its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from backend.core.arrays import Floats
from backend.errors import SteeringError
from backend.extraction.residual import Blocks, find_blocks
from backend.models.load import LoadedModel
from backend.steering.algebra import ablated, added, capped, norm_added
from backend.steering.interventions import Intervention, Mode, check_interventions, unit

# What a token is, as Hooks.expect takes it.
PADDING, PROMPT, GENERATED = 0, 1, 2


@dataclass(frozen=True)
class SteerableModel:
    """A loaded model whose decoder blocks are known.

    Attributes:
        loaded: the model.
        blocks: found by running it.
    """

    loaded: LoadedModel
    blocks: Blocks


@dataclass(frozen=True, eq=False)
class Readout:
    """Where projections are recorded, in every row.

    Attributes:
        layer: numbered as in an :class:`Intervention`.
        vector: v, [d], not zero; read is x . v̂.
    """

    layer: int
    vector: Floats


@dataclass(frozen=True)
class Read:
    """Projections of one forward pass at one :class:`Readout`, in units of activations.

    Attributes:
        before: of what the block put out, [rows, tokens], float32.
        after: of the same after the interventions at this layer.
    """

    before: torch.Tensor
    after: torch.Tensor


def steerable(loaded: LoadedModel) -> SteerableModel:
    """A model that can be steered.

    Args:
        loaded: any causal language model.

    Raises:
        UnsupportedArchitecture: its residual stream cannot be reached.
        NotEnoughMemory: not even a few tokens can be run.
    """
    return SteerableModel(loaded, find_blocks(loaded.model, loaded.depth))


@contextmanager
def steered(
    model: SteerableModel,
    rows: Sequence[Sequence[Intervention]],
    readings: Sequence[Readout] = (),
) -> Iterator[Hooks]:
    """Steer the model until the context is left.

    Before each forward pass, say by :meth:`Hooks.expect` what its tokens are.

    Args:
        model: from :func:`steerable`.
        rows: the interventions of each row of the batch, in their order; () leaves a row as it is.
        readings: where projections are recorded.

    Raises:
        SteeringError: a layer or width is not the model's.
    """
    loaded = model.loaded
    check_interventions([one for row in rows for one in row], loaded.depth, loaded.width)
    check_interventions(
        [Intervention(one.layer, one.vector) for one in readings], loaded.depth, loaded.width
    )
    blocks = model.blocks.list
    # Several GPUs may have some of the blocks each.
    first = torch.device(loaded.device)
    devices = (first, *(next(block.parameters()).device for block in blocks))
    hooks = Hooks(rows, readings, devices)
    handles = []
    try:
        for layer in hooks.layers:
            if layer == 0:
                handle = blocks[0].register_forward_pre_hook(hooks.before_first, with_kwargs=True)
            else:
                handle = blocks[layer - 1].register_forward_hook(hooks.after_block(layer))
            handles.append(handle)
        yield hooks
    finally:
        for handle in handles:
            handle.remove()


class Hooks:
    """The interventions of a batch; made by :func:`steered`.

    Args:
        rows: interventions of each row.
        readings: where projections are recorded.
        devices: where the residual stream is at each layer, from 0.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[Intervention]],
        readings: Sequence[Readout],
        devices: Sequence[torch.device],
    ) -> None:
        self._count = len(rows)
        self._any = _plan(rows, devices, generated_only=False)
        self._written = _plan(rows, devices, generated_only=True)
        self._readings: dict[int, list[tuple[int, torch.Tensor]]] = {}
        for place, one in enumerate(readings):
            unit_vector = _tensor(unit(one.vector), devices[one.layer])
            self._readings.setdefault(one.layer, []).append((place, unit_vector))
        # The same on each device where something is done.
        self._kinds: dict[torch.device, torch.Tensor] | None = None
        self._devices = {devices[layer] for layer in self._any}
        self._read: dict[int, Read] = {}

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers where something is done or read, ascending."""
        return tuple(sorted({*self._any, *self._readings}))

    def expect(self, kinds: torch.Tensor | None) -> None:
        """Say what the tokens of the next forward passes are.

        Args:
            kinds: PADDING, PROMPT or GENERATED of each, [rows, tokens]; None where all are
                GENERATED.
        """
        self._kinds = None if kinds is None else {one: kinds.to(one) for one in self._devices}
        self._read = {}

    @property
    def reads(self) -> tuple[Read, ...]:
        """The projections of the last forward pass, in the order of the readings."""
        return tuple(self._read[place] for place in sorted(self._read))

    def before_first(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Hook before the first block: its input is layer 0."""
        x = args[0] if args else kwargs["hidden_states"]
        changed = self._pass(0, x)
        if args:
            return (changed, *args[1:]), kwargs
        return args, kwargs | {"hidden_states": changed}

    def after_block(self, layer: int) -> Callable[[nn.Module, Any, Any], Any]:
        """Hook after a block. Args: layer: the block's number, from 1."""

        def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
            if isinstance(output, (tuple, list)):
                return type(output)((self._pass(layer, output[0]), *output[1:]))
            return self._pass(layer, output)

        return hook

    def _pass(self, layer: int, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] != self._count:
            raise SteeringError(
                f"A batch of {x.shape[0]} rows was run, and there are interventions for "
                f"{self._count}.",
                expected="as many rows as were announced.",
                remedy="report this as a fault.",
            )
        stages = (self._written if self._kinds is None else self._any).get(layer, ())
        readings = self._readings.get(layer, ())
        before = [_project(x, v) for _, v in readings]
        for stage in stages:
            x = stage.applied(x, None if self._kinds is None else self._kinds[x.device])
        for (place, v), first in zip(readings, before, strict=True):
            self._read[place] = Read(first, _project(x, v) if stages else first)
        return x


@dataclass(frozen=True)
class _Stage:
    """Interventions of one mode at one layer, at most one of each row.

    Attributes:
        mode: of all.
        rows: which rows, [m].
        v: their vectors, [m, 1, d], float32.
        strength, low, high: [m, 1, 1], float32.
        prompt, generated: whether tokens of each kind are changed, [m, 1].
    """

    mode: Mode
    rows: torch.Tensor
    v: torch.Tensor
    strength: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    prompt: torch.Tensor
    generated: torch.Tensor

    def applied(self, x: torch.Tensor, kinds: torch.Tensor | None) -> torch.Tensor:
        """The activations of all rows, [rows, tokens, d], with these interventions."""
        own = x.index_select(0, self.rows)
        changed = self._changed(own.float()).to(x.dtype)
        if kinds is not None:
            kind = kinds.index_select(0, self.rows)
            here = ((kind == PROMPT) & self.prompt) | ((kind == GENERATED) & self.generated)
            changed = torch.where(here.unsqueeze(-1), changed, own)
        return x.index_copy(0, self.rows, changed)

    def _changed(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode == "add":
            return added(x, self.v, self.strength)
        if self.mode == "norm-add":
            return norm_added(x, self.v, self.strength)
        if self.mode == "ablate":
            return ablated(x, self.v, self.strength)
        return capped(x, self.v, self.low, self.high)


def _plan(
    rows: Sequence[Sequence[Intervention]],
    devices: Sequence[torch.device],
    *,
    generated_only: bool,
) -> Mapping[int, tuple[_Stage, ...]]:
    """Layer -> stages, so that the interventions of a row come in their order.

    Args:
        rows: interventions of each row.
        devices: of the residual stream at each layer.
        generated_only: leave out those that do not change generated tokens.
    """
    # (layer, how many of the row came before at this layer, mode) -> row and intervention
    found: dict[tuple[int, int, Mode], list[tuple[int, Intervention]]] = {}
    for row, interventions in enumerate(rows):
        before: dict[int, int] = {}
        for one in interventions:
            if one.changes_nothing or (generated_only and one.where == "prompt"):
                continue
            place = before.get(one.layer, 0)
            before[one.layer] = place + 1
            found.setdefault((one.layer, place, one.mode), []).append((row, one))
    plan: dict[int, tuple[_Stage, ...]] = {}
    for (layer, _place, mode), members in sorted(found.items(), key=lambda item: item[0]):
        plan[layer] = (*plan.get(layer, ()), _stage(mode, members, devices[layer]))
    return plan


def _stage(mode: Mode, members: Sequence[tuple[int, Intervention]], device: torch.device) -> _Stage:
    ones = [one for _, one in members]

    def numbers(values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device).reshape(-1, 1, 1)

    def flags(kind: str) -> torch.Tensor:
        taken = [one.where in (kind, "both") for one in ones]
        return torch.tensor(taken, device=device).reshape(-1, 1)

    infinite = float("inf")
    return _Stage(
        mode=mode,
        rows=torch.tensor([row for row, _ in members], device=device),
        v=torch.stack([_tensor(one.vector, device) for one in ones]).unsqueeze(1),
        strength=numbers([one.strength for one in ones]),
        low=numbers([-infinite if one.low is None else one.low for one in ones]),
        high=numbers([infinite if one.high is None else one.high for one in ones]),
        prompt=flags("prompt"),
        generated=flags("generated"),
    )


def _project(x: torch.Tensor, unit_vector: torch.Tensor) -> torch.Tensor:
    return x.float() @ unit_vector


def _tensor(vector: Floats, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(vector.astype("float32")).to(device)
