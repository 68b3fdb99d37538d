"""Activations by hand: hidden states of one text at a time, pooled on the host."""

from __future__ import annotations

import numpy as np
import torch


def hidden_states(model, encoded, layers):
    """Per text [layers, tokens, d], one text at a time; the last block by its own hook."""
    found = []
    blocks = model.get_decoder().layers
    for text in encoded:
        last = {}
        hook = blocks[-1].register_forward_hook(
            lambda _m, _a, out, last=last: last.update(h=out[0] if isinstance(out, tuple) else out)
        )
        with torch.no_grad():
            states = model(torch.tensor([text.ids]), output_hidden_states=True).hidden_states
        hook.remove()
        found.append(
            np.stack(
                [
                    _array((last["h"] if layer == len(blocks) else states[layer])[0])
                    for layer in layers
                ]
            )
        )
    return found


def _array(states):
    # numpy has no bfloat16.
    return (states.float() if states.dtype == torch.bfloat16 else states).numpy()


def reference(model, encoded, layers, pooling):
    """Pooled by hand from :func:`hidden_states`, [layers, texts, d]."""
    rows = []
    for text, states in zip(encoded, hidden_states(model, encoded, layers), strict=True):
        places = np.flatnonzero(text.wanted)
        if pooling == "last":
            places = places[-1:]
        elif pooling == "mean_rest":
            places = places[places > 0]
        elif pooling == "before":
            places = places[:1] - 1
        elif pooling == "first-3":
            places = places[:3]
        elif pooling == "end-2":
            places = places[-2:-1]
        rows.append(states[:, places].mean(axis=1))
    return np.stack(rows, axis=1)


def relative_error(found, expected):
    """Largest error of a coordinate, relative to the largest coordinate of its vector."""
    return (np.abs(found - expected).max(-1) / np.abs(expected).max(-1)).max()
