"""Tables of the Transfer page."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.estimate import Estimate
from backend.views.shared.numbers import p_text, r_text
from backend.views.transfer.agreement import Agreement
from backend.views.transfer.compute import TransferView
from backend.views.transfer.published import PublishedTransfer
from backend.views.transfer.transfers import Transfer
from backend.views.transfer.words import verdict


def transfer_rows(view: TransferView, found: Sequence[Transfer]) -> list[dict[str, str | int]]:
    """Transfers as a table, every number in it.

    Args:
        view: for the layers.
        found: the transfers, in order.
    """
    return [
        {
            "trait": f.trait.replace("_", " "),
            "A (activations)": f.activation_model,
            "B (behaviour)": f.behaviour_model,
            "matched": f.cross_r.n,
            "layer of A": _layer(view, f.trait, f.activation_model),
            "layer of B": _layer(view, f.trait, f.behaviour_model),
            "r of A": r_text(f.cross_r, count=False),
            "r of B's own": r_text(f.self_r, count=False),
            "r of the projections": "–" if f.between is None else f"{f.between:+.2f}",
            "difference (Zou)": r_text(f.difference, count=False),
            "p (Williams)": p_text(f.difference.p),
            "adjusted p": p_text(f.adjusted_p),
            "verdict": verdict(f),
        }
        for f in found
    ]


def agreement_rows(found: Sequence[Agreement]) -> list[dict[str, str | int]]:
    """How alike responders behave, as a table.

    Args:
        found: the agreements.
    """
    return [
        {
            "trait": a.trait.replace("_", " "),
            "responders": f"{a.first} and {a.second}",
            "shared scenarios": a.r.n,
            "agreement r": r_text(a.r, count=False),
            "ceiling of r": _ceiling(a),
        }
        for a in found
    ]


def published_rows(pairs: Sequence[PublishedTransfer]) -> list[dict[str, str]]:
    """The printed table, with what its numbers allow to be said.

    Args:
        pairs: the printed table.
    """
    return [
        {
            "trait": p.trait.replace("_", " "),
            "A → B": f"{p.activation_model} → {p.behaviour_model}",
            "difference": f"{p.difference.value:+.3f}",
            "given the correlation of the projections": p.needed,
            "r of A": _printed(p.cross_r),
            "r of B's own": _printed(p.self_r),
            "ceiling": _printed(p.ceiling),
        }
        for p in pairs
    ]


def published_agreement_rows(found: Sequence[Agreement]) -> list[dict[str, str]]:
    """The printed agreements of two models' behaviour.

    Args:
        found: the printed table.
    """
    return [
        {
            "trait": a.trait.replace("_", " "),
            "models": f"{a.first} and {a.second}",
            "agreement r = ceiling of r": r_text(a.r, count=False),
        }
        for a in found
    ]


def _printed(r: Estimate) -> str:
    """An r with the digits in which it was printed, and its interval."""
    if r.value is None or r.low is None or r.high is None:
        return r_text(r, count=False)
    return f"{r.value:+.3f} [{r.low:+.2f}, {r.high:+.2f}]"


def _layer(view: TransferView, trait: str, source: str) -> str:
    layer = view.layers.get((trait, source))
    return "–" if layer is None else str(layer)


def _ceiling(a: Agreement) -> str:
    if a.ceiling is not None:
        return f"{a.ceiling:.2f}"
    return f"undefined: {a.r.reason or 'the agreement is negative'}"
