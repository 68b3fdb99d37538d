"""Linear layers by oneDNN while extracting on a CPU.

PyTorch multiplies float32 matrices with MKL of Intel, which leaves half of the vector width of
others' CPUs unused; oneDNN does not (measured on an AMD EPYC with AVX-512: 180 against 360 GFLOP/s;
on an Intel Xeon 250 against 220, as oneDNN's form of the numbers has a cost). Each layer's
weights are held once, in oneDNN's form while extracting and in PyTorch's before and after; what is
a view of a file can be read from it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from backend.extraction.resident import FileViews
from backend.models.cpu import is_of_intel


def onednn_helps() -> bool:
    """Whether oneDNN multiplies float32 matrices faster here than PyTorch's own library."""
    return bool(torch.backends.mkldnn.enabled) and not is_of_intel()


class _OneDnnLinear(nn.Module):
    """The same map as ``linear``, whose weights it takes over."""

    def __init__(self, linear: nn.Linear, views: FileViews) -> None:
        super().__init__()
        plain = linear.weight.detach()
        self.weight = plain.to_mkldnn()
        self.plain = plain if views.let_go(plain) else None
        self.bias = None if linear.bias is None else linear.bias.detach().to_mkldnn()
        linear.weight.data = torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product = torch.ops.aten.mkldnn_linear(x.to_mkldnn(), self.weight, self.bias)
        dense: torch.Tensor = product.to_dense()
        return dense

    def give_back(self, linear: nn.Linear) -> None:
        """Return the weights to ``linear``."""
        linear.weight.data = self.weight.to_dense() if self.plain is None else self.plain


class _Watched(nn.Linear):
    """A plain linear layer that notes when anything but itself reads its weights.

    Attributes:
        reads: ids of the layers that were read so.
        at_work: whether it is computing its own product.
    """

    reads: set[int]
    at_work: bool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.at_work = True
        try:
            return super().forward(x)
        finally:
            self.at_work = False

    def __getattr__(self, name: str) -> Any:
        if name in ("weight", "bias") and not self.at_work:
            self.reads.add(id(self))
        return super().__getattr__(name)


@contextmanager
def read_directly(blocks: Sequence[nn.Module]) -> Iterator[set[int]]:
    """Which linear layers have weights that their surroundings read, as Mamba's blocks do.

    Such a layer must stay as it is: oneDNN's form of its weights is of no use to others. It is
    seen by watching a run, as the names of such layers differ from model to model.

    Args:
        blocks: modules of one model, which is run inside the context.

    Yields:
        Layers that were read so far, by ``id``.
    """
    reads: set[int] = set()
    plain = {child for block in blocks for child in block.modules() if type(child) is nn.Linear}
    for linear in plain:
        linear.__dict__.update(reads=reads, at_work=False)
        linear.__class__ = _Watched
    try:
        yield reads
    finally:
        for linear in plain:
            linear.__class__ = nn.Linear
            del linear.__dict__["reads"], linear.__dict__["at_work"]


@contextmanager
def fast_linears(blocks: Sequence[nn.Module], untouchable: Collection[int] = ()) -> Iterator[None]:
    """Let oneDNN compute the linear layers of ``blocks``, where it can.

    Nothing changes unless the layer is a plain ``nn.Linear`` in float32 on the CPU. The model is
    as it was on leaving, also after an error.

    Args:
        blocks: decoder blocks of one model.
        untouchable: linear layers to leave alone, by ``id`` (:func:`read_directly`).
    """
    swapped: list[tuple[nn.Module, str, nn.Linear, _OneDnnLinear]] = []
    views = FileViews()
    try:
        for owner, name, child in _plain_linears(blocks):
            if id(child) not in untouchable and _suits(child):
                fast = _OneDnnLinear(child, views)
                swapped.append((owner, name, child, fast))
                setattr(owner, name, fast)
        yield
    finally:
        for owner, name, child, fast in swapped:
            fast.give_back(child)
            setattr(owner, name, child)


def _plain_linears(blocks: Sequence[nn.Module]) -> list[tuple[nn.Module, str, nn.Linear]]:
    """Plain linear layers with where they hang; those that blocks share (Zamba) are left out."""
    # A subclass computes something else, such as a quantised product.
    found = [
        (owner, name, child)
        for block in blocks
        for owner in block.modules()
        for name, child in owner.named_children()
        if type(child) is nn.Linear
    ]
    uses = Counter(id(child.weight) for _, _, child in found)
    return [entry for entry in found if uses[id(entry[2].weight)] == 1]


def _suits(linear: nn.Linear) -> bool:
    # oneDNN sums long rows in fewer pieces than MKL and loses a digit there, so the projection back
    # from the wide layer stays as it is: on SmolLM2 that halves the largest error and costs a
    # seventh of the speed.
    return (
        linear.in_features <= linear.out_features
        and linear.weight.dtype == torch.float32
        and linear.weight.device.type == "cpu"
        and bool(torch.backends.mkldnn.enabled)
    )
