"""Everything a run holds besides activations, computed layer by layer from them.

Derived tables are versioned apart from activations: a run can be derived again without its model,
and a run that lacks a metric or method which has been added since opens all the same.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.behaviour import Behaviour, behaviour_of
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.metrics.registry import measure_cell
from backend.core.metrics.stability import influences
from backend.core.moments import moments
from backend.core.prompt_cells import PromptCells
from backend.core.statistics.bootstrap import bootstrap_rs
from backend.core.statistics.correlation import pearson, spearmans
from backend.core.vectors.controls import random_directions, shuffled_labels
from backend.core.vectors.fitting import FitInput, Fitted, PromptGroup, TraitProducts
from backend.core.vectors.inner_product import IDENTITY, LDA, WithinClass, pole_groups, within_class
from backend.core.vectors.methods import MEAN_DIFFERENCE, Method
from backend.core.vectors.subsampling import subsample
from backend.errors import StoreError
from backend.runs.best_layers import derive_best_layers
from backend.runs.carrying import Carrying
from backend.runs.columns import Columns, TableChunks, Tables, doubles, integers, measures, texts
from backend.runs.kept_probes import KeptProbes
from backend.runs.layer_data import LayerData, prompt_groups
from backend.runs.layer_task import Deriver, LayerTask, read_layer
from backend.runs.threads import one_thread, side_by_side
from backend.store.connection import fixed_rows, list_rows
from backend.store.run import Run
from backend.store.schema import LABELLED_RANGE, RANGED_LABELS, WHOLE_PAIRS
from backend.store.work_file import WorkFile
from backend.types import Study

# Numbers of a layer's responses up to which threads of BLAS wait longer for each other than they
# work.
SMALL = 2**18
# Raise it when what is computed changes, so that a run says by which version its numbers are.
# Version -> the studies of which it computes other numbers than the version before.
_CHANGED: dict[int, Callable[[Study], bool]] = {
    # The responses of a logistic probe are split at fractions of the study's score range.
    RANGED_LABELS: lambda study: study.score_range != LABELLED_RANGE,
    # Held-out metrics leave whole pairs out, and random halves keep them whole.
    WHOLE_PAIRS: lambda study: any(prompt.pair is not None for prompt in study.prompts),
}
DERIVATION = max(_CHANGED)


def same_numbers(earlier: int, version: int, study: Study) -> bool:
    """Whether two versions of this code derive the same numbers of a study.

    Args:
        earlier: by which a run was derived.
        version: the one that is compared with it, no earlier.
        study: of the run.
    """
    return not any(
        number not in _CHANGED or _CHANGED[number](study)
        for number in range(earlier + 1, version + 1)
    )


def underived_layers(work: WorkFile) -> tuple[int, ...]:
    """Layers of a run that have no derived tables of this version yet, ascending."""
    work.begin_derivation(DERIVATION)
    done = work.run.derived_layers()
    return tuple(layer for layer in work.run.record.layers if layer not in done)


def derive_layers(
    work: WorkFile,
    study: Study,
    layers: Sequence[int],
    methods: Sequence[Method],
    seconds: float,
    begin: Callable[[int], None],
    deriver: Deriver,
    waiting: Callable[[], None],
    carrying: Carrying | None,
) -> None:
    """Compute the derived tables of some layers of a work file with all its batches, and commit
    them together: where most was taken from another run, a layer takes less time than a commit.

    Traits whose rows are there already or on their way, taken from another run, are left alone;
    what is fitted to responses is not fitted again where it has been taken. Running it again
    replaces what it wrote.

    Args:
        work: a work file whose batches are all committed.
        study: its study.
        layers: some of its layers.
        methods: which vectors to build.
        seconds: no further layer is begun after this time; at least one is done.
        begin: called with each layer.
        deriver: who computes them.
        waiting: called about each second that another has to be waited for.
        carrying: what is on its way from another run; waited for before anything is written. None
            for nothing.

    Raises:
        StoreError: nothing came of a layer, which would be derived again for ever.
    """
    started = time.perf_counter()
    behaviours = behaviours_of(study)
    wanted = carrying.leaves([*study.traits]) if carrying is not None else [*study.traits]
    left = _traits_left(work.run, wanted, layers)
    changed = left[layers[0]]
    layers = [layer for layer in layers if left[layer] == changed]
    fitted_in, fitted = work.run, changed
    if carrying is not None and carrying.source is not None:
        fitted_in, fitted = carrying.source, carrying.fitted(changed)
    kept = KeptProbes(fitted_in, layers, fitted, methods, behaviours)

    def task(layer: int) -> LayerTask:
        return layer_task(work.run, layer, changed, kept.at(layer))

    chunks: dict[str, list[Columns]] = {}
    done: list[int] = []
    for place, layer in enumerate(layers):
        begin(layer)
        for table, own in deriver.tables(layers[place:], task, waiting).items():
            chunks.setdefault(table, []).extend(own)
        done.append(layer)
        if time.perf_counter() - started >= seconds:
            break
    if carrying is not None:
        carrying.wait()
    with work.together():
        if not work.run.derived_layers():
            rows = [_behaviour_rows(trait, behaviour) for trait, behaviour in behaviours.items()]
            work.replace({"behaviours": rows})
        work.replace(chunks, done, changed)
        if any(_traits_left(work.run, changed, done).values()):
            raise StoreError(
                f"Nothing was stored of layer {done[0]} of {work.run.record.run_id} when it was "
                "derived.",
                expected="derived rows of every trait of its study.",
                remedy="see that the study has traits with prompts, import it again, and start a "
                "new run.",
            )
        work.add_timing("derive", time.perf_counter() - started)


def layer_task(
    run: Run,
    layer: int,
    traits: Sequence[str],
    kept: Mapping[tuple[str, str], Fitted],
) -> LayerTask:
    """What is to be derived of one layer, and from what.

    Args:
        run: a run with all its activations.
        layer: one of its layers.
        traits: some of its study's.
        kept: (method, trait) -> what was fitted to responses before.
    """
    return LayerTask(
        layer=layer,
        prompts=run.prompt_activations(layer),
        stored=partial(run.stored_response_chunks, layer),
        device=run.record.device,
        traits=tuple(traits),
        kept=kept,
    )


def _traits_left(run: Run, traits: Sequence[str], layers: Sequence[int]) -> dict[int, list[str]]:
    """Layer -> those of some traits of which nothing is derived yet."""
    there = run.derived_traits()
    return {
        layer: [trait for trait in traits if trait not in there.get(layer, ())] for layer in layers
    }


def behaviours_of(study: Study) -> dict[str, Behaviour]:
    """What r of each trait is taken over."""
    return {trait: behaviour_of(study.responses, trait, study.target) for trait in study.traits}


class LayersHere:
    """Layers derived in this process, one after the other; see :class:`Deriver`.

    Args:
        study: whose run is derived.
        methods: which vectors to build.
        behaviours: of every trait.
    """

    def __init__(
        self, study: Study, methods: Sequence[Method], behaviours: Mapping[str, Behaviour]
    ) -> None:
        self._study, self._methods, self._behaviours = study, methods, behaviours

    def tables(
        self,
        layers: Sequence[int],
        task: Callable[[int], LayerTask],
        waiting: Callable[[], None],
    ) -> TableChunks:
        """See :class:`Deriver`."""
        return layer_tables(task(layers[0]), self._study, self._methods, self._behaviours)


def layer_tables(
    task: LayerTask,
    study: Study,
    methods: Sequence[Method],
    behaviours: Mapping[str, Behaviour],
) -> TableChunks:
    """Everything stored of some traits at one layer. It depends on nothing but what is given.

    Args:
        task: the layer.
        study: of the run; its texts are not used.
        methods: which vectors to build.
        behaviours: of every trait, as :func:`behaviours_of` gives them.

    Returns:
        Table -> chunks of columns.
    """
    layer, traits, kept = task.layer, task.traits, task.kept
    probes = [(method.name, trait) for trait in traits for method in methods if method.fitted]
    numbers = len(study.responses) * task.prompts.shape[1]
    with one_thread() if numbers <= SMALL else nullcontext():
        data = read_layer(task, study, probes=not kept.keys() >= {*probes})
    tables = Tables(layer)
    for metric in data.inner_products:
        tables.add(
            "inner_products",
            {"metric": metric.name},
            trait=texts([None]),
            title=[metric.title],
            note=[metric.note],
        )
    with side_by_side() as pool:
        cells = list(
            pool.map(lambda trait: _trait_cells(data, study, trait, behaviours[trait]), traits)
        )
        fitted = {**kept, **_fit_to_responses(pool, cells, methods, kept.keys())}
        for part in pool.map(
            lambda own: _trait_tables(Tables(layer), data, own, methods, fitted), cells
        ):
            tables.extend(part)
    return tables.chunks


def derive_over_layers(work: WorkFile) -> None:
    """Compute and commit what needs all layers, and by which version all of it was. Repeatable.

    Args:
        work: a work file with all its layers derived.
    """
    derive_best_layers(work)
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    work.end_derivation(moment)


@dataclass(frozen=True)
class _TraitCells:
    """The cells of a trait at one layer: one per prompt set.

    Attributes:
        trait: the trait.
        ids: indices of its prompts in the study.
        products: metric -> inner products of those prompts.
        within: its within-class metric; None if it has none.
        behaviour: the cases that enter r.
        inputs: what methods may use of each cell.
    """

    trait: str
    ids: Integers
    products: dict[str, TraitProducts]
    within: WithinClass | None
    behaviour: Behaviour
    inputs: tuple[FitInput, ...]


def _trait_cells(data: LayerData, study: Study, trait: str, behaviour: Behaviour) -> _TraitCells:
    ids = np.array([i for i, prompt in enumerate(study.prompts) if prompt.trait == trait], np.intp)
    groups = prompt_groups(study, trait, ids)
    products, within = trait_products(data, ids, groups, behaviour)
    scores = np.array([r.scores.get(trait, np.nan) for r in study.responses], np.float64)
    inputs = tuple(
        fit_input(data, ids, group, (products, within), (scores, study.score_range), behaviour)
        for group in groups
    )
    return _TraitCells(trait, ids, products, within, behaviour, inputs)


def _fit_to_responses(
    pool: Executor,
    traits: Sequence[_TraitCells],
    methods: Sequence[Method],
    kept: Collection[tuple[str, str]],
) -> dict[tuple[str, str], Fitted]:
    """(method, trait) -> what is fitted to responses, which is the same for every prompt set.

    Args:
        pool: threads.
        traits: the cells.
        methods: those from prompts are left out.
        kept: what is there already.
    """
    tasks = [
        (
            method,
            [
                own.inputs[0]
                for own in traits
                if own.inputs and (method.name, own.trait) not in kept
            ],
        )
        for method in methods
        if method.fitted
    ]
    found = pool.map(lambda task: task[0].fit(task[1]), tasks)
    return {
        (method.name, given.group.trait): one
        for (method, part), own in zip(tasks, found, strict=True)
        for given, one in zip(part, own, strict=True)
    }


def _trait_tables(
    tables: Tables,
    data: LayerData,
    own: _TraitCells,
    methods: Sequence[Method],
    fitted: Mapping[tuple[str, str], Fitted],
) -> Tables:
    """Everything stored of one trait."""
    if own.within is not None:
        tables.add(
            "inner_products",
            {"metric": LDA},
            trait=[own.trait],
            title=["shrunk within-class covariance (LDA)"],
            note=[f"Ledoit-Wolf shrinkage {own.within.shrinkage:.3f}"],
        )
    for name, products in own.products.items():
        _store_products(tables, {"metric": name, "trait": own.trait}, own.ids, products)
    for given in own.inputs:
        found = {
            method.name: fitted[method.name, own.trait] if method.fitted else method.fit([given])[0]
            for method in methods
        }
        plain = found.get(MEAN_DIFFERENCE)
        if plain is None:
            raise ValueError(
                "every run needs the mean difference, which all others are compared to"
            )
        _store_methods(tables, given.group, methods, found, own.behaviour)
        identity = own.products[IDENTITY]
        _store_geometry(tables, given.group, data, own.ids, identity, plain.vector)
        r = plain.correlation.value
        _store_controls(tables, given.group, data, identity, own.behaviour, r)
    return tables


def trait_products(
    data: LayerData, ids: Integers, groups: Sequence[PromptGroup], behaviour: Behaviour
) -> tuple[dict[str, TraitProducts], WithinClass | None]:
    """Inner products of a trait's prompts under every metric, and its within-class metric.

    Args:
        data: the layer.
        ids: indices of the trait's prompts in the study.
        groups: the trait's prompt sets.
        behaviour: the cases that enter r.
    """

    def with_moments(gram: Floats, alignment: Floats) -> TraitProducts:
        found = moments(alignment, behaviour.first, behaviour.last, cases, weights)
        return TraitProducts(gram, alignment, found)

    rows = data.prompts[ids]
    cases = behaviour.cases(behaviour.values)
    high = np.zeros(len(ids), bool)
    for group in groups:
        high[group.members] = group.high
    # What dependence costs is asked of the mean difference of all prompts of the trait.
    weights = np.where(high, 1 / max(1, high.sum()), -1 / max(1, (~high).sum()))
    products = {
        metric.name: with_moments(metric.gram(rows), data.alignment_of(metric.name, ids))
        for metric in data.inner_products
    }
    masks = pole_groups([(group.members, group.high) for group in groups], len(ids))
    plain = products[IDENTITY]
    within = within_class(plain.gram, masks, rows.shape[1])
    if within is not None:
        gram = plain.gram @ within.transform
        products[LDA] = with_moments(0.5 * (gram + gram.T), plain.alignment @ within.transform)
    return products, within


def fit_input(
    data: LayerData,
    ids: Integers,
    group: PromptGroup,
    made: tuple[dict[str, TraitProducts], WithinClass | None],
    scored: tuple[Floats, tuple[float, float]],
    behaviour: Behaviour,
) -> FitInput:
    """What the methods may use of one cell.

    Args:
        data: the layer.
        ids: indices of the trait's prompts in the study.
        group: the cell's prompts.
        made: of the trait, from :func:`trait_products`.
        scored: the trait's score of each response, NaN where not scored, [N]; lowest and highest
            allowed score.
        behaviour: the cases that enter r.
    """
    products, within = made
    scores, score_range = scored
    return FitInput(
        group=group,
        prompts=data.prompts[ids],
        products=products,
        inner_products=data.inner_products,
        within=within,
        responses=data.space,
        features=data.features,
        project=data.project,
        response_groups=data.response_groups,
        scores=scores,
        score_range=score_range,
        behaviour=behaviour,
    )


def _store_products(tables: Tables, key: Columns, ids: Integers, own: TraitProducts) -> None:
    prompt_ids = integers(ids)
    m = own.moments
    tables.add("gram", key, prompt_id=prompt_ids, products=list_rows(own.gram))
    tables.add("moments", key, prompt_id=prompt_ids, s=list_rows(m.s), b=m.b)
    tables.add(
        "moment_totals",
        key,
        cases=integers([m.count]),
        y_square=[m.y_square],
        rounding=[m.rounding],
        effective=doubles([m.effective]),
        groups=integers([m.groups]),
    )
    if len(own.alignment):
        responses = integers(np.arange(len(own.alignment)))
        tables.add("alignment", key, response_id=responses, products=list_rows(own.alignment))


def _store_geometry(
    tables: Tables,
    group: PromptGroup,
    data: LayerData,
    ids: Integers,
    own: TraitProducts,
    vector: Floats | None,
) -> None:
    rows = data.prompts[ids[group.members]]
    if vector is None:  # of length zero, so not stored
        vector = rows[group.high].mean(axis=0) - rows[~group.high].mean(axis=0)
    gram = own.gram[np.ix_(group.members, group.members)]
    one = PromptCells.of_gram(gram, group.high, rows.shape[1], vector, group.pairs)
    key: Columns = {"trait": group.trait, "prompt_set": group.prompt_set}
    measured = measure_cell(one)
    tables.add("metrics", key, name=list(measured), **measures(list(measured.values()), "value"))
    tables.add(
        "influences",
        key,
        prompt_id=integers(ids[group.members]),
        **measures(influences(one).estimates(one, 0), "degrees"),
    )


def _store_methods(
    tables: Tables,
    group: PromptGroup,
    methods: Sequence[Method],
    found: Mapping[str, Fitted],
    behaviour: Behaviour,
) -> None:
    """Every method's r, vector and projections."""
    cases = {
        method.name: behaviour.cases(behaviour.drift_of(found[method.name].projections))
        for method in methods
        if found[method.name].correlation.value is not None
    }
    boots = dict(zip(cases, bootstrap_rs(list(cases.values())), strict=True))
    ranks = dict(zip(cases, spearmans(list(cases.values())), strict=True))
    for method in methods:
        own = found[method.name]
        key: Columns = {
            "method": method.name,
            "trait": group.trait,
            "prompt_set": group.prompt_set,
        }
        _store_correlation(
            tables,
            key | {"target": behaviour.target},
            own.correlation,
            cases.get(method.name),
            boots.get(method.name),
            ranks.get(method.name),
        )
        if own.vector is None:
            continue
        tables.add("vectors", key, vector=fixed_rows(own.vector[None, :]))
        known = np.flatnonzero(~np.isnan(own.projections))
        if len(known):
            tables.add(
                "projections",
                key | {"held_out": method.fitted},
                response_id=integers(known),
                projection=own.projections[known],
            )


def _store_correlation(
    tables: Tables,
    key: Columns,
    c: Estimate,
    cases: Cases | None,
    boot: Estimate | None,
    rank: Estimate | None,
) -> None:
    pooled = c
    if cases is not None and cases.absorbed:
        pooled = pearson(cases.pooled())
    tables.add(
        "correlations",
        key,
        n=integers([c.n]),
        r=doubles([c.value]),
        low=doubles([c.low]),
        high=doubles([c.high]),
        p=doubles([c.p]),
        boot_low=doubles([boot.low if boot else None]),
        boot_high=doubles([boot.high if boot else None]),
        rho=doubles([rank.value if rank else None]),
        rho_low=doubles([rank.low if rank else None]),
        rho_high=doubles([rank.high if rank else None]),
        groups=integers([c.groups]),
        effective=doubles([c.effective]),
        pooled_r=doubles([pooled.value]),
        pooled_low=doubles([pooled.low]),
        pooled_high=doubles([pooled.high]),
        reason=texts([c.reason]),
    )


def _store_controls(
    tables: Tables,
    group: PromptGroup,
    data: LayerData,
    own: TraitProducts,
    behaviour: Behaviour,
    r: float | None,
) -> None:
    chosen = np.ix_(group.members, group.members)
    m = own.moments
    part = m.of(group.members)
    controls = {
        "shuffled_labels": shuffled_labels(group.high, part, r),
        "random_direction": random_directions(
            behaviour.drift_of(data.random), behaviour.cases(behaviour.values), r
        ),
    }
    key: Columns = {"trait": group.trait, "prompt_set": group.prompt_set}
    found = list(controls.values())
    tables.add(
        "controls",
        key,
        kind=list(controls),
        draws=integers([c.draws for c in found]),
        typical=doubles([c.typical for c in found]),
        low=doubles([c.low for c in found]),
        high=doubles([c.high for c in found]),
        p=doubles([c.p for c in found]),
        reason=texts([c.reason for c in found]),
    )
    sizes = subsample(own.gram[chosen], group.high, part)
    if sizes:
        rs = [s.r or (None, None, None) for s in sizes]
        tables.add(
            "subsampling",
            key,
            size=integers([s.size for s in sizes]),
            cosine=doubles([s.cosine[0] for s in sizes]),
            cosine_low=doubles([s.cosine[1] for s in sizes]),
            cosine_high=doubles([s.cosine[2] for s in sizes]),
            stability=doubles([s.stability for s in sizes]),
            r=doubles([r[0] for r in rs]),
            r_low=doubles([r[1] for r in rs]),
            r_high=doubles([r[2] for r in rs]),
        )


def _behaviour_rows(trait: str, behaviour: Behaviour) -> Columns:
    count = len(behaviour.values)
    first = [None] * count if behaviour.first is None else behaviour.first.tolist()
    return {
        "trait": [trait] * count,
        "case_id": integers(np.arange(count)),
        "scenario": list(behaviour.scenarios),
        "responder": list(behaviour.responders),
        "group_name": list(behaviour.groups),
        "first_response": integers(first),
        "last_response": integers(behaviour.last),
        "value": behaviour.values,
    }
