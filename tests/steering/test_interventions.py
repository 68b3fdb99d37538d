"""Each mode does its algebra, on numbers and inside a model; what is no direction is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from backend.errors import SteeringError
from backend.steering.algebra import ablated, added, capped, norm_added
from backend.steering.hooks import GENERATED, PADDING, PROMPT, Readout, steered
from backend.steering.interventions import Intervention, random_like
from tests.support.tiny_models import DEPTH, WIDTH

V = np.random.default_rng(5).standard_normal(WIDTH) * 3
UNIT = V / np.linalg.norm(V)
IDS = torch.tensor([[7, 30, 41, 99, 120, 8], [55, 201, 33, 14, 9, 77]])
CLOSE = 2e-4


def torch_of(*numbers):
    return [torch.tensor(one, dtype=torch.float64) for one in numbers]


def test_the_algebra_is_that_of_numpy():
    rng = np.random.default_rng(1)
    x, v = rng.standard_normal((2, 7, 5)), rng.standard_normal((2, 1, 5)) * 4
    s = np.array([[[0.7]], [[-2.0]]])
    unit = v / np.linalg.norm(v, axis=-1, keepdims=True)
    along = (x * unit).sum(-1, keepdims=True)
    moved = x + s * v
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    low, high = np.full((2, 1, 1), -0.5), np.full((2, 1, 1), 0.2)
    expected = {
        added: (moved, (s,)),
        norm_added: (moved / np.linalg.norm(moved, axis=-1, keepdims=True) * norms, (s,)),
        ablated: (x - s * along * unit, (s,)),
        capped: (x + (np.clip(along, low, high) - along) * unit, (low, high)),
    }
    for function, (wanted, numbers) in expected.items():
        found = function(*torch_of(x, v), *torch_of(*numbers)).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_what_would_vanish_keeps_its_place():
    x, v, s = torch_of([[1.0, 2.0]], [[1.0, 2.0]], [[-1.0]])
    assert torch.equal(norm_added(x, v, s), x)


def logits(model, rows, ids=IDS, kinds=None, readings=()):
    """Logits of each token, and the projections read."""
    if kinds is None:
        kinds = torch.full(ids.shape, PROMPT, dtype=torch.int8)
    with steered(model, rows, readings) as hooks, torch.no_grad():
        hooks.expect(kinds)
        return model.loaded.model(ids).logits, hooks.reads


def final_norm(loaded, x):
    """The last norm and the head of a model, from their weights alone, in float64."""
    base = loaded.model.base_model
    norm = getattr(base, "norm", None) or base.ln_f
    weight = norm.weight.detach().double()
    if isinstance(norm, nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt() * weight + norm.bias.double()
    else:
        epsilon = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
        gemma = "Gemma" in type(norm).__name__
        x = (
            x
            / (x.pow(2).mean(-1, keepdim=True) + epsilon).sqrt()
            * (weight + 1 if gemma else weight)
        )
    return x @ loaded.model.get_output_embeddings().weight.double().T


def test_at_the_last_layer_logits_move_as_the_final_norm_says(model):
    base = model.loaded.model.base_model
    seen = []
    norm = getattr(base, "norm", None) or base.ln_f
    handle = norm.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    plain = logits(model, [(), ()])[0]
    handle.remove()
    (x,) = seen
    np.testing.assert_allclose(plain, final_norm(model.loaded, x.double()), atol=CLOSE)
    row = (Intervention(DEPTH, V, strength=1.5),)
    found = logits(model, [row, ()])[0]
    expected = final_norm(model.loaded, x[:1].double() + 1.5 * torch.from_numpy(V))
    np.testing.assert_allclose(found[:1], expected, atol=CLOSE)
    assert (found[:1] - plain[:1]).abs().max() > 100 * CLOSE
    assert torch.equal(found[1], plain[1])


def test_a_planted_logit_rises_by_the_computed_amount(tiny):
    model = tiny("qwen2-untied")
    base = model.loaded.model.base_model
    head = model.loaded.model.get_output_embeddings().weight
    kept = head.detach().clone()
    planted, gain, step = 123, 7.0, 2 * float(np.linalg.norm(V))
    seen = []
    handle = base.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0].double()))
    try:
        with torch.no_grad():
            # After the norm, which scales each coordinate, this row reads the direction alone.
            scale = base.norm.weight.detach().double().numpy()
            head[planted] = torch.from_numpy(gain * UNIT / scale).float()
        before = logits(model, [(), ()])[0][..., planted]
        after = logits(model, [(Intervention(DEPTH, V, strength=2.0),)] * 2)[0][..., planted]
    finally:
        handle.remove()
        with torch.no_grad():
            head.copy_(kept)
    x = seen[0]
    along = x @ torch.from_numpy(UNIT)
    # |x + s v|^2 = |x|^2 + 2 s ||v|| (x . v) + (s ||v||)^2
    squares = x.pow(2).sum(-1) + 2 * step * along + step**2
    expected = gain * (along + step) / (squares / WIDTH + base.norm.variance_epsilon).sqrt()
    np.testing.assert_allclose(after, expected, rtol=1e-4)
    assert (after > before).all()


def test_below_the_last_layer_it_is_a_bias_of_the_block(tiny):
    """A block that adds v to its output through a bias is steered by v at its layer."""
    for family in ("llama", "gpt2"):
        model = tiny(family)
        for layer in (1, 2):
            block = model.blocks.list[layer - 1].mlp
            down = block.down_proj if family == "llama" else block.c_proj
            old = down.bias
            shift = torch.from_numpy(0.8 * V).float()
            down.bias = nn.Parameter(shift if old is None else old + shift, requires_grad=False)
            biased = logits(model, [(), ()])[0]
            down.bias = old
            found = logits(model, [(Intervention(layer, V, strength=0.8),)] * 2)[0]
            np.testing.assert_allclose(found, biased, atol=CLOSE)
            assert (found - logits(model, [(), ()])[0]).abs().max() > 100 * CLOSE


def test_layer_0_is_the_embedding_output(tiny):
    model = tiny("llama")
    table = model.loaded.model.get_input_embeddings().weight
    found = logits(model, [(Intervention(0, V),)] * 2)[0]
    kept = table.detach().clone()
    with torch.no_grad():
        table += torch.from_numpy(V).float()
    expected = logits(model, [(), ()])[0]
    with torch.no_grad():
        table.copy_(kept)
    np.testing.assert_allclose(found, expected, atol=CLOSE)


def test_inside_a_model_each_mode_leaves_the_projection_it_promises(model):
    readings = [Readout(2, V), Readout(2, -3 * V)]
    length = float(np.linalg.norm(V))
    plain, (read, flipped) = logits(model, [(), ()], readings=readings)
    assert torch.equal(read.before, read.after)
    np.testing.assert_allclose(flipped.after, -read.after, atol=1e-4)
    scale = float(read.before.abs().max())
    low, high = (float(read.before.quantile(q)) for q in (0.3, 0.6))
    for row, expected in {
        (Intervention(2, V, "ablate"),): 0 * read.before,
        (Intervention(2, V, "ablate", 0.25),): 0.75 * read.before,
        (Intervention(2, V, "cap", low=low, high=high),): read.before.clamp(low, high),
        (Intervention(2, V, "cap", high=high),): read.before.clamp(max=high),
        (Intervention(2, V, strength=-2.0),): read.before - 2 * length,
        # In their order: taken away, then one length added.
        (Intervention(2, V, "ablate"), Intervention(2, V)): 0 * read.before + length,
        (Intervention(2, V), Intervention(2, V, "ablate")): 0 * read.before,
    }.items():
        found, (one, _) = logits(model, [row, ()], readings=readings)
        assert torch.equal(one.before, read.before)
        np.testing.assert_allclose(one.after[0], expected[0], atol=1e-5 * (scale + length))
        assert torch.equal(found[1], plain[1]) and torch.equal(one.after[1], read.before[1])
    norms = []
    for row in ((), (Intervention(2, V, "norm-add", 3.0),)):
        handle = model.blocks.list[2].register_forward_pre_hook(
            lambda _, args, kwargs: norms.append(
                (args or (kwargs["hidden_states"],))[0].norm(dim=-1)
            ),
            with_kwargs=True,
        )
        _, (one, _) = logits(model, [row, row], readings=readings)
        handle.remove()
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)
    assert (one.after > one.before).all()


def test_only_the_wanted_tokens_are_changed(tiny):
    model = tiny("qwen2")
    kinds = torch.tensor([[PADDING, PROMPT, PROMPT, PROMPT, GENERATED, GENERATED]] * 3)
    ids = torch.cat([IDS, IDS[:1]])
    rows = [(Intervention(1, V, where=where),) for where in ("prompt", "generated", "both")]
    _, (read,) = logits(model, rows, ids, kinds, [Readout(1, V)])
    moved = ((read.after - read.before).abs() > 1e-3).tolist()
    assert moved == [
        [False, True, True, True, False, False],
        [False, False, False, False, True, True],
        [False, True, True, True, True, True],
    ]


def test_strength_0_is_no_steering_at_all(model):
    plain = logits(model, [(), ()])[0]
    for mode in ("add", "norm-add", "ablate"):
        row = (Intervention(1, V, mode, 0.0), Intervention(3, V, mode, 0.0))
        assert torch.equal(logits(model, [row, row])[0], plain)
    with torch.no_grad():
        assert torch.equal(model.loaded.model(IDS).logits, plain)


def test_a_random_control_has_the_length_and_knows_nothing():
    drawn = [random_like(V, seed) for seed in range(400)]
    np.testing.assert_allclose([np.linalg.norm(one) for one in drawn], np.linalg.norm(V))
    cosines = np.array([one @ UNIT for one in drawn]) / np.linalg.norm(V)
    # sd of a cosine with a random direction is 1 / sqrt(d)
    assert abs(cosines.mean()) < 4 / np.sqrt(WIDTH * 400)
    assert np.array_equal(drawn[3], random_like(V, 3)) and not np.array_equal(drawn[3], drawn[4])


@pytest.mark.parametrize(
    "values, fault",
    [
        ({"vector": np.zeros(4)}, "no direction"),
        ({"vector": np.array([1.0, np.nan])}, "no direction"),
        ({"vector": np.full(3, 1e-60)}, "no direction"),
        ({"vector": np.ones((2, 2))}, "no direction"),
        ({"mode": "turn"}, "no mode"),
        ({"where": "nowhere"}, "no mode"),
        ({"strength": float("inf")}, "not finite"),
        ({"mode": "cap"}, "no range"),
        ({"mode": "cap", "low": 2.0, "high": 1.0}, "no range"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, fault):
    with pytest.raises(SteeringError, match=fault):
        Intervention(**({"layer": 1, "vector": V} | values))


def test_what_does_not_fit_the_model_is_refused(tiny):
    model = tiny("llama")
    for one, fault in (
        (Intervention(DEPTH + 1, V), "no layer 4"),
        (Intervention(-1, V), "no layer -1"),
        (Intervention(1, V[:10]), "10 numbers"),
    ):
        with pytest.raises(SteeringError, match=fault), steered(model, [(one,)]):
            pass
    with pytest.raises(SteeringError, match="2 rows"):
        logits(model, [(Intervention(1, V),)])
    # Nothing of it stays behind.
    with torch.no_grad():
        assert torch.equal(model.loaded.model(IDS).logits, logits(model, [(), ()])[0])


def test_a_digest_says_whether_two_are_the_same():
    one = Intervention(1, V)
    assert one.digest == Intervention(1, V.copy()).digest
    others = [
        dataclasses.replace(one, strength=2.0),
        Intervention(2, V),
        Intervention(1, V, "ablate"),
        Intervention(1, -V),
    ]
    others.append(Intervention(1, V, where="prompt"))
    assert len({one.digest, *(other.digest for other in others)}) == 6
