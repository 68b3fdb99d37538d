"""GPUs of CUDA that are none: PyTorch believes in them, and their numbers are computed on the CPU.

As on real ones, tensors of different devices do not mix, a copy that waits is told apart from one
that does not, and what was copied without waiting is there when its event has been waited for, not
before. How fast anything is, and whether a kernel exists, they cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import transformers.modeling_utils as loading
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
# What the host does with them, in its order.
SENT, SENT_WAITING = "sent", "sent, waiting"
FETCHED, FETCHED_WAITING = "fetched", "fetched, waiting"
# It waits for a copy it has begun; for a single number; for how many numbers are found.
ARRIVED, NUMBER, COUNT = "arrived", "number", "count"


@dataclass
class PretendedGpus:
    """What was done with them.

    Attributes:
        log: in order.
        kept: bytes that are unused, of each, until the cache is emptied.
        unpinned: whether the host has no memory to pin.
        full: whether there is no room for a pass, of so many texts.
    """

    log: list[str] = field(default_factory=list)
    kept: int = 0
    unpinned: bool = False
    full: Callable[[int], bool] = lambda _: False
    _begun: dict[torch.device, list[tuple[torch.Tensor, torch.Tensor]]] = field(
        default_factory=dict
    )

    def taken(self) -> list[str]:
        """The log, which begins anew."""
        found = list(self.log)
        self.log.clear()
        return found


_current = PretendedGpus()


class _OnGpu(torch.Tensor):
    """A tensor that says it is on a GPU.

    Where PyTorch's methods look for the device's driver before they call any operator, they are
    replaced here.
    """

    @staticmethod
    def __new__(cls, held, device):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=device,
        )

    def __init__(self, held, device):
        self.held = held

    def __repr__(self):
        return f"{type(self).__name__}({tuple(self.shape)}, {self.device})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def __getitem__(self, key):
        for part in tree_leaves(key):
            if isinstance(part, torch.Tensor):
                _check_together(aten.index.Tensor, [self, part])
                if part.dtype is torch.bool:
                    _current.log.append(COUNT)
        return _OnGpu(self.held[tree_map(_bare, key)], self.device)

    def contiguous(self, **kwargs):
        return _OnGpu(self.held.contiguous(**kwargs), self.device)

    def copy_(self, src, non_blocking=False):
        return _copy(self, src, non_blocking)

    def item(self):
        _current.log.append(NUMBER)
        return self.held.item()

    def tolist(self):
        _current.log.append(NUMBER)
        return self.held.tolist()

    def __bool__(self):
        return bool(self.item())

    def __int__(self):
        return int(self.item())

    def __float__(self):
        return float(self.item())


class _Believing(TorchDispatchMode):
    """Sends to the pretended GPUs what names them."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(_numbered, (args, kwargs or {}))
        with self:
            found = func.decompose(*args, **kwargs)
        if found is not NotImplemented:
            return found
        if any(isinstance(one, _OnGpu) for one in tree_leaves((args, kwargs))) or _is_gpu(
            kwargs.get("device")
        ):
            return _run(func, args, kwargs)
        if not kwargs.get("pin_memory"):
            return func(*args, **kwargs)
        if _current.unpinned:
            raise RuntimeError("CUDA error: out of memory")
        found = func(*args, **kwargs | {"pin_memory": False})
        found.pinned = True
        return found


class _Event:
    def __init__(self, copies):
        self._copies = copies

    def synchronize(self):
        _current.log.append(ARRIVED)
        for here, value in self._copies:
            here.numpy()[...] = value.numpy()


class _Stream:
    def __init__(self, device=None):
        self._device = _numbered(torch.device("cuda" if device is None else device))

    def record_event(self):
        return _Event(_current._begun.pop(self._device, []))


@contextmanager
def pretended_gpus(
    monkeypatch: pytest.MonkeyPatch, count: int = 1, free: int | Sequence[int | None] = 2**40
) -> Iterator[PretendedGpus]:
    """Let PyTorch believe that this machine has some GPUs.

    Args:
        monkeypatch: takes it back, at the end of the context too.
        count: how many.
        free: bytes of memory of each, or of all of them; None for one that cannot be asked.
    """
    global _current
    _current = PretendedGpus()
    to, mapped = torch.Tensor.to, loading._get_device_map

    def sent_to(self, *args, **kwargs):
        # A mode is a thread's own, and weights are loaded by several.
        with _Believing():
            return to(self, *map(_named, args), **{name: _named(x) for name, x in kwargs.items()})

    def pinned(self):
        found = self.clone()
        found.pinned = True
        return found

    rooms = [free] * count if isinstance(free, int) else free

    def free_and_all(device):
        room = rooms[_numbered(device).index]
        if room is None:
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")
        return room - _current.kept, room

    def named_map(*args, **kwargs):
        found = mapped(*args, **kwargs)
        # PyTorch looks for a driver before it takes a number for a device.
        return found and {
            name: f"cuda:{place}" if isinstance(place, int) else place
            for name, place in found.items()
        }

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "to", sent_to)
        patch.setattr(torch.Tensor, "pin_memory", pinned)
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "is_initialized", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: len(rooms))
        patch.setattr(torch.cuda, "mem_get_info", free_and_all)
        patch.setattr(torch.cuda, "current_stream", _Stream)
        patch.setattr(torch.cuda, "empty_cache", lambda: setattr(_current, "kept", 0))
        patch.setattr(loading, "_get_device_map", named_map)
        patch.setattr(loading, "caching_allocator_warmup", lambda *_: None)
        overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
        lifts = torch._C._only_lift_cpu_tensors()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        # torch.tensor makes its numbers on the CPU and moves them as any others are moved.
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with _Believing():
                yield _current
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
            torch._C._set_only_lift_cpu_tensors(lifts)


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _numbered(value: Any) -> Any:
    """cuda as cuda:0; anything else as it is."""
    is_one = isinstance(value, torch.device) and value.type == "cuda"
    return torch.device("cuda", value.index or 0) if is_one else value


def _named(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("cuda"):
        value = torch.device(value)
    return _numbered(value)


def _bare(value: Any) -> Any:
    return value.held if isinstance(value, _OnGpu) else value


def _check_together(func: Any, tensors: list[torch.Tensor]) -> None:
    """Refuse tensors that no GPU could take together; single numbers may come from the host."""
    devices = {one.device for one in tensors if isinstance(one, _OnGpu) or one.dim()}
    if len(devices) > 1:
        raise RuntimeError(f"Expected all tensors to be on the same device: {func}, {devices}")


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """An operator on a pretended GPU."""
    if func is aten.copy_.default:
        return _copy(args[0], args[1], kwargs.get("non_blocking", len(args) > 2 and args[2]))
    if func is aten._to_copy.default:
        return _moved(args[0], **kwargs)
    # The other kernels of attention are not there for both devices.
    if func is aten._fused_sdp_choice.default:
        return 0
    if func is aten._local_scalar_dense.default:
        _current.log.append(NUMBER)
    if func in (aten.nonzero.default, aten.equal.default):
        _current.log.append(COUNT)
    if func is aten.embedding.default and _current.full(args[1].shape[0]):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    _check_together(func, tensors)
    device = next((one.device for one in tensors if isinstance(one, _OnGpu)), None)
    if kwargs.get("device") is not None:
        device = kwargs["device"] if _is_gpu(kwargs["device"]) else None
        kwargs = kwargs | {"device": torch.device("cpu")}
    found = func(*tree_map(_bare, args), **tree_map(_bare, kwargs))
    if func._schema.name.endswith("_"):
        return args[0]
    return tree_map(
        lambda one: _OnGpu(one, device) if device and isinstance(one, torch.Tensor) else one, found
    )


def _moved(
    src: torch.Tensor, device: Any = None, non_blocking: bool = False, **kwargs: Any
) -> torch.Tensor:
    """A copy of another type or on another device."""
    device = src.device if device is None else device
    found = aten._to_copy.default(_bare(src), **kwargs)
    if not _is_gpu(device):
        _current.log.append(FETCHED_WAITING)
        return found
    _note_sent(src, non_blocking)
    return _OnGpu(found, _numbered(device))


def _note_sent(src: torch.Tensor, non_blocking: bool) -> None:
    """Log a copy to a GPU, if it comes from the host."""
    if not isinstance(src, _OnGpu):
        quick = non_blocking and hasattr(src, "pinned")
        _current.log.append(SENT if quick else SENT_WAITING)


def _copy(into: torch.Tensor, src: torch.Tensor, non_blocking: bool) -> torch.Tensor:
    """A copy into what is there."""
    if isinstance(into, _OnGpu):
        _note_sent(src, non_blocking)
        into.held.copy_(_bare(src))
    elif non_blocking and hasattr(into, "pinned"):
        _current.log.append(FETCHED)
        into.fill_(float("nan"))
        _current._begun.setdefault(src.device, []).append((into, _bare(src).clone()))
    else:
        _current.log.append(FETCHED_WAITING)
        into.copy_(_bare(src))
    return into
