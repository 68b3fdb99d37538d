"""Evidence of phantom cells straight from arrays, without a store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.core.behaviour import behaviour_of
from backend.core.estimate import Estimate
from backend.core.vectors.fitting import FitInput
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.extraction.simulated import PROMPT_TOKENS
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.geometry import LayerActivations, layer_numbers, simulate_layer
from backend.phantom.latents import Latents, draw_latents, judge, words
from backend.phantom.plan import PhantomPlan
from backend.phantom.study import simulated_study
from backend.runs.derive import trait_products
from backend.runs.engines import methods_of_engine
from backend.runs.layer_data import layer_data, prompt_groups
from backend.settings import StatusThresholds
from backend.store.run_values import PromptFirstTokens, ScoredCases
from backend.views.diagnosis.evidence import CellEvidence


@dataclass(frozen=True)
class PhantomCell:
    """One cell, its evidence from the first half of the scenarios, and the rest to measure on.

    Attributes:
        planted: causes planted in it.
        evidence: what the diagnosis sees.
        vectors: method -> vector fitted on the first half.
        layer_vectors: layer -> mean difference.
        held: layer -> responses of the second half, [S, 2, d].
        behaviour: score drift of the second half, [S].
    """

    planted: tuple[str, ...]
    evidence: CellEvidence
    vectors: dict[str, np.ndarray]
    layer_vectors: dict[int, np.ndarray]
    held: dict[int, np.ndarray]
    behaviour: np.ndarray

    def held_out_r(self, vector: np.ndarray, layer: int) -> float:
        """r of a vector on the second half of the scenarios."""
        drift = np.diff(self.held[layer] @ vector, axis=1)[:, 0]
        return float(np.corrcoef(drift, self.behaviour)[0, 1])


def phantom_cells(plan: PhantomPlan, layer: int, model: int = 0) -> Iterator[PhantomCell]:
    """The cells of one model at one layer.

    Args:
        plan: sizes; as many scenarios again are simulated to measure on.
        layer: the layer that is diagnosed.
        model: which model.
    """
    doubled = dataclasses.replace(plan, scenarios=2 * plan.scenarios)
    rng = np.random.default_rng(plan.seed)
    latents = draw_latents(doubled, rng)
    scores, lengths = judge(doubled, latents, rng), words(latents)
    seen = slice(plan.scenarios)
    names = [plan.trait_name(trait) for trait in range(plan.traits)]
    study = simulated_study(
        DrawnPhantom(plan), "Phantom", names, plan.prompts, scores[seen], lengths[seen]
    )
    drawn = {at: _split(doubled, latents, model, at) for at in layer_numbers(plan)}
    own, first, _ = drawn[layer]
    data = layer_data(own.prompts.astype(np.float64), lambda: iter([_rows(first)]), study, "cpu")
    for number, trait in enumerate(study.traits):
        ids = np.array([i for i, p in enumerate(study.prompts) if p.trait == trait])
        (group,) = prompt_groups(study, trait, ids)
        behaviour = behaviour_of(study.responses, trait, "drift")
        products, within = trait_products(data, ids, (group,), behaviour)
        judged = np.array([r.scores[trait] for r in study.responses])
        given = FitInput(
            group=group,
            prompts=data.prompts[ids],
            products=products,
            inner_products=data.inner_products,
            within=within,
            responses=data.space,
            features=data.features,
            response_groups=data.response_groups,
            scores=judged,
            behaviour=behaviour,
        )
        found = {method.name: method.fit(given) for method in methods_of_engine("phantom")}
        vectors = {name: own.vector for name, own in found.items() if own.vector is not None}
        layer_vectors, layer_drifts = {}, {}
        for at, (acts, responses, _) in drawn.items():
            rows = acts.prompts[ids].astype(np.float64)
            layer_vectors[at] = rows[group.high].mean(0) - rows[~group.high].mean(0)
            layer_drifts[at] = behaviour.drift_of(_rows(responses) @ layer_vectors[at])
        plain = vectors[MEAN_DIFFERENCE]
        dominance = float((plain**2).max() / (plain @ plain))
        assert behaviour.first is not None
        yield PhantomCell(
            planted=plan.planted(model, number),
            evidence=CellEvidence(
                trait=trait,
                layer=layer,
                gram=products["identity"].gram,
                high=group.high,
                dominance=Estimate.exact(dominance, len(ids)),
                drifts={name: behaviour.drift_of(found[name].projections) for name in vectors},
                layer_drifts=layer_drifts,
                cases=ScoredCases(
                    scenarios=behaviour.scenarios,
                    responders=behaviour.responders,
                    groups=behaviour.groups,
                    first_response=behaviour.first,
                    last_response=behaviour.last,
                    first=judged[behaviour.first],
                    last=judged[behaviour.last],
                    behaviour=behaviour.values,
                    length=behaviour.drift_of(lengths[: plan.scenarios].reshape(-1) * 1.0),
                ),
                score_range=study.score_range,
                thresholds=StatusThresholds(),
                first_tokens=PromptFirstTokens(
                    "mean", np.full(len(ids), float(PROMPT_TOKENS)), None, None
                ),
            ),
            vectors=vectors,
            layer_vectors=layer_vectors,
            held={at: second for at, (_, _, second) in drawn.items()},
            behaviour=np.diff(scores[plan.scenarios :, :, number], axis=1)[:, 0],
        )


def clean_vectors(plan: PhantomPlan, model: int = 0) -> list[dict[int, np.ndarray]]:
    """Layer -> mean difference of every trait of the same phantom with nothing planted."""
    doubled = dataclasses.replace(plan, scenarios=2 * plan.scenarios, strength=0.0)
    latents = draw_latents(doubled, np.random.default_rng(plan.seed))
    found: list[dict[int, np.ndarray]] = [{} for _ in range(plan.traits)]
    for layer in layer_numbers(plan):
        prompts = simulate_layer(doubled, latents, model, layer).prompts.astype(np.float64)
        means = prompts.reshape(plan.traits, 2, plan.prompts, plan.width).mean(axis=2)
        for trait in range(plan.traits):
            found[trait][layer] = means[trait, 0] - means[trait, 1]
    return found


def _split(
    doubled: PhantomPlan, latents: Latents, model: int, layer: int
) -> tuple[LayerActivations, np.ndarray, np.ndarray]:
    found = simulate_layer(doubled, latents, model, layer)
    responses = found.responses.reshape(doubled.scenarios, 2, doubled.width)
    half = doubled.scenarios // 2
    return found, responses[:half], responses[half:]


def _rows(responses: np.ndarray) -> np.ndarray:
    return responses.reshape(-1, responses.shape[-1]).astype(np.float64)
