"""Evidence of phantom cells straight from arrays, without a store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.behaviour import Behaviour, behaviour_of
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.metrics.stability import split_half_stability
from backend.core.prompt_cells import PromptCells
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.extraction.simulated import PROMPT_TOKENS
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.geometry import LayerActivations, layer_numbers, simulate_layer
from backend.phantom.latents import Latents, draw_latents, judge, judge_again, words
from backend.phantom.plan import PhantomPlan, plan_of
from backend.phantom.study import simulated_study
from backend.runs.derive import fit_input, trait_products
from backend.runs.engines import methods_of_engine
from backend.runs.layer_data import layer_data, prompt_groups
from backend.settings import StatusThresholds
from backend.store.run_values import PromptFirstTokens, RepeatedScores, ScoredCases
from backend.types import Study
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.shared.reliability import reliability_of


@dataclass(frozen=True)
class PhantomCell:
    """One cell, its evidence from the first half of the scenarios, and the rest to measure on.

    Attributes:
        planted: causes planted in it.
        evidence: what the diagnosis sees.
        vectors: method -> layer -> vector fitted on the first half.
        held: layer -> responses of the second half, [cases, turns, d].
        cases: of the second half, with their behaviour.
    """

    planted: tuple[str, ...]
    evidence: CellEvidence
    vectors: dict[str, dict[int, np.ndarray]]
    held: dict[int, np.ndarray]
    cases: Cases

    def held_out_r(self, vector: np.ndarray, layer: int) -> float:
        """r of a vector on the second half of the scenarios, within responders."""
        along = self.held[layer] @ vector
        drift = along[:, 0] if along.shape[1] == 1 else along[:, 1] - along[:, 0]
        # Scores that are all the same are predicted by nothing.
        return pearson(self.cases.with_x(drift)).value or 0.0


def phantom_cells(plan: PhantomPlan, layer: int | None, model: int = 0) -> Iterator[PhantomCell]:
    """The cells of one model.

    Args:
        plan: sizes; as many scenarios again are simulated to measure on.
        layer: the layer that is diagnosed; None for that with the highest r.
        model: which model.
    """
    doubled = dataclasses.replace(plan, scenarios=2 * plan.scenarios)
    rng = np.random.default_rng(plan.seed)
    latents = draw_latents(doubled, rng)
    scores, lengths = judge(doubled, latents, rng), words(latents)
    again = judge_again(doubled, latents, rng)
    names = [plan.trait_name(trait) for trait in range(plan.traits)]
    study, rest = (
        simulated_study(
            DrawnPhantom(plan),
            "Phantom",
            names,
            plan.prompts,
            scores[half],
            lengths[half],
            plan.responders,
            None if again is None else again[half],
        )
        for half in (slice(plan.cases), slice(plan.cases, None))
    )
    drawn = {at: _split(doubled, latents, model, at) for at in layer_numbers(plan)}
    read = {
        at: layer_data(acts.prompts.astype(np.float64), _chunks(first), study, "cpu")
        for at, (acts, first, _) in drawn.items()
    }
    for number, trait in enumerate(study.traits):
        ids = np.array([i for i, p in enumerate(study.prompts) if p.trait == trait])
        (group,) = prompt_groups(study, trait, ids)
        behaviour = behaviour_of(study.responses, trait, study.target)
        judged = np.array([r.scores[trait] for r in study.responses])
        vectors: dict[str, dict[int, np.ndarray]] = {}
        drifts: dict[str, dict[int, np.ndarray]] = {}
        grams = {}
        for at, data in read.items():
            made = trait_products(data, ids, (group,), behaviour)
            grams[at] = made[0]["identity"].gram
            given = fit_input(data, ids, group, made, (judged, study.score_range), behaviour)
            for method in methods_of_engine("phantom"):
                # As of a run: where the layer is given, other layers are asked for r alone.
                if layer not in (None, at) and method.name != MEAN_DIFFERENCE:
                    continue
                (found,) = method.fit([given])
                if found.vector is not None:
                    vectors.setdefault(method.name, {})[at] = found.vector
                    drift = behaviour.drift_of(found.projections)
                    drifts.setdefault(method.name, {})[at] = drift
        shown = layer
        if shown is None:
            plain = drifts[MEAN_DIFFERENCE]
            rs = {at: pearson(behaviour.cases(drift)).value for at, drift in plain.items()}
            shown = max(rs, key=lambda at: -2.0 if (r := rs[at]) is None else r)
        plain_vector = vectors[MEAN_DIFFERENCE][shown]
        dominance = float((plain_vector**2).max() / (plain_vector @ plain_vector))
        levels = behaviour.first is None
        other = behaviour_of(rest.responses, trait, rest.target)
        yield PhantomCell(
            planted=plan.planted(model, number),
            evidence=CellEvidence(
                trait=trait,
                layer=shown,
                layer_given=layer is not None,
                traits=plan.traits,
                gram=grams[shown],
                high=group.high,
                texts=tuple(study.prompts[i].text for i in ids),
                dominance=Estimate.exact(dominance, len(ids)),
                massive_elsewhere=(),
                split_half=split_half_of(grams[shown], group.high, plan.width),
                drifts_by_layer=drifts,
                cases=ScoredCases(
                    scenarios=behaviour.scenarios,
                    responders=behaviour.responders,
                    groups=behaviour.groups,
                    first_response=behaviour.first,
                    last_response=behaviour.last,
                    first=None if levels else judged[behaviour.first],
                    last=judged[behaviour.last],
                    behaviour=behaviour.values,
                    length=behaviour.drift_of(lengths[: plan.cases].reshape(-1) * 1.0),
                ),
                score_range=study.score_range,
                thresholds=StatusThresholds(),
                first_tokens=PromptFirstTokens(
                    "mean", np.full(len(ids), float(PROMPT_TOKENS)), None, None
                ),
                reliability=reliability_of(_repeated(study, trait, behaviour)),
            ),
            vectors=vectors,
            held={at: second for at, (_, _, second) in drawn.items()},
            cases=other.cases(other.values),
        )


def split_half_of(gram: np.ndarray, high: np.ndarray, width: int) -> Estimate:
    """Split-half stability of one cell of prompts without pairs."""
    cells = PromptCells.of_gram(gram, high, width)
    return split_half_stability(cells).estimates(cells)[0]


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
    responses = found.responses.reshape(doubled.cases, doubled.turns, doubled.width)
    half = doubled.cases // 2
    return found, responses[:half], responses[half:]


def _chunks(responses: np.ndarray) -> Callable[[], Iterator[np.ndarray]]:
    rows = responses.reshape(-1, responses.shape[-1]).astype(np.float64)
    return lambda: iter([rows])


def _repeated(study: Study, trait: str, behaviour: Behaviour) -> RepeatedScores:
    """The scores that were given twice, as a run gives them."""
    rows, responders = [], []
    for case, responder in enumerate(behaviour.responders):
        last = study.responses[behaviour.last[case]].repeats.get(trait)
        if last is None:
            continue
        first = (0.0, 0.0)
        if behaviour.first is not None:
            first = study.responses[behaviour.first[case]].repeats[trait]
        rows.append(np.subtract(last, first))
        responders.append(responder)
    scorings = np.array(rows).reshape(len(rows), 2)
    return RepeatedScores(scorings, tuple(responders), len(rows) == len(behaviour.values))


# Of a study with one planted cause, large enough for its rule to tell.
PLANTED_SIZES = {
    "models": 1,
    "traits": 2,
    "layers": 8,
    "prompts": 10,
    "width": 256,
    "repeated": 120,
}


def planted_cells(
    causes: Sequence[str], seed: int, strength: float = 1.0, **sizes: int
) -> list[PhantomCell]:
    """The cells of a small simulated study with these causes, the planted ones first."""
    plan = plan_of("test", seed, causes, strength, **(PLANTED_SIZES | sizes))
    return list(phantom_cells(plan, 4))
