"""The algebra of each mode of intervention, on activations [..., d]."""

from __future__ import annotations

import torch


def added(x: torch.Tensor, v: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """x + s v. Args: activations [..., d]; v, [..., d]; s, [..., 1]."""
    return x + strength * v


def norm_added(x: torch.Tensor, v: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """x + s v, brought back to the length of x; x itself where x + s v is zero.

    Args:
        x: activations, [..., d].
        v: the vector, [..., d].
        strength: s, [..., 1].
    """
    moved = x + strength * v
    length = moved.norm(dim=-1, keepdim=True)
    scaled = moved * (x.norm(dim=-1, keepdim=True) / length.clamp_min(torch.finfo(x.dtype).tiny))
    return torch.where(length > 0, scaled, x)


def ablated(x: torch.Tensor, v: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """x - s (x . v̂) v̂. Args: activations [..., d]; v, [..., d], not zero; s, [..., 1]."""
    return x - share * projection(x, v).unsqueeze(-1) * _unit(v)


def capped(x: torch.Tensor, v: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """x moved along v̂ until its projection lies within [low, high].

    Args:
        x: activations, [..., d].
        v: the vector, [..., d], not zero.
        low: least allowed projection, [..., 1]; may be -inf.
        high: greatest, likewise.
    """
    now = projection(x, v).unsqueeze(-1)
    return x + (now.clamp(low, high) - now) * _unit(v)


def projection(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """x . v̂, [...]. Args: activations [..., d]; v, [..., d], not zero."""
    return (x * _unit(v)).sum(dim=-1)


def _unit(v: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = v / v.norm(dim=-1, keepdim=True)
    return found
