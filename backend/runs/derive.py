"""Everything a run holds besides activations, computed layer by layer from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.behaviour import Behaviour, behaviour_of
from backend.core.cases import Floats
from backend.core.geometry.prompt_space import PromptSpace
from backend.core.geometry.registry import measure_all
from backend.core.geometry.stability import influences
from backend.core.moments import Moments, moments
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import spearman
from backend.core.vectors.controls import random_directions, shuffled_labels
from backend.core.vectors.inner_product import IDENTITY, LDA, WithinClass, pole_groups, within_class
from backend.core.vectors.methods import MEAN_DIFFERENCE, METHODS, Method
from backend.core.vectors.subsampling import subsample
from backend.runs.columns import Columns, Tables, doubles, integers, measures, texts
from backend.runs.layer_data import Cell, LayerData, read_layer, trait_cells
from backend.runs.method_vectors import MethodVector, TraitProducts, method_vectors
from backend.store.connection import fixed_rows, list_rows
from backend.store.work_file import WorkFile
from backend.types import Study


def derive_layer(
    work: WorkFile, study: Study, layer: int, methods: Sequence[Method] = METHODS
) -> None:
    """Compute and commit the derived tables of one layer of a work file with all its batches.

    Running it again replaces what it wrote.

    Args:
        work: a work file whose batches are all committed.
        study: its study.
        layer: one of its layers.
        methods: which vectors to build; all registered ones by default.
    """
    behaviours = {
        trait: behaviour_of(study.responses, trait, study.target) for trait in study.traits
    }
    if not work.derived_layers():
        rows = [_behaviour_rows(trait, behaviour) for trait, behaviour in behaviours.items()]
        work.replace({"behaviours": rows}, None)
    data = read_layer(work, study, layer)
    tables = Tables(layer)
    for metric in data.metrics:
        tables.add(
            "inner_products",
            {"metric": metric.name},
            trait=texts([None]),
            title=[metric.title],
            note=[metric.note],
        )
    for trait in study.traits:
        _derive_trait(tables, data, study, trait, behaviours[trait], methods)
    work.replace(tables.chunks, layer)


def _derive_trait(
    tables: Tables,
    data: LayerData,
    study: Study,
    trait: str,
    behaviour: Behaviour,
    methods: Sequence[Method],
) -> None:
    ids = np.array([i for i, prompt in enumerate(study.prompts) if prompt.trait == trait])
    cells = trait_cells(study, trait, ids)
    products, within = trait_products(data, ids, cells, behaviour)
    if within is not None:
        tables.add(
            "inner_products",
            {"metric": LDA},
            trait=[trait],
            title=["shrunk within-class covariance (LDA)"],
            note=[f"Ledoit-Wolf shrinkage {within.shrinkage:.3f}"],
        )
    for name, own in products.items():
        _store_products(tables, {"metric": name, "trait": trait}, ids, own)
    scores = np.array([r.scores.get(trait, np.nan) for r in study.responses], np.float64)
    probes: dict[str, MethodVector] = {}
    for cell in cells:
        found = method_vectors(
            cell, data, ids, products, within, behaviour, scores, probes, methods
        )
        for result in found:
            _store_method(tables, cell, result, data, behaviour)
        plain = next(f for f in found if f.method.name == MEAN_DIFFERENCE)
        _store_geometry(tables, cell, data, ids, products[IDENTITY], plain.vector)
        _store_controls(tables, cell, data, products[IDENTITY], behaviour, plain.correlation.value)


def trait_products(
    data: LayerData, ids: np.ndarray, cells: tuple[Cell, ...], behaviour: Behaviour
) -> tuple[dict[str, TraitProducts], WithinClass | None]:
    """Inner products of a trait's prompts under every metric, and its within-class metric.

    Args:
        data: the layer.
        ids: indices of the trait's prompts in the study.
        cells: the trait's prompt sets.
        behaviour: the cases that enter r.
    """

    def with_moments(gram: Floats, alignment: Floats) -> TraitProducts:
        found = moments(alignment, behaviour.first, behaviour.last, behaviour.values)
        return TraitProducts(gram, alignment, found)

    rows = data.prompts[ids]
    products = {
        metric.name: with_moments(metric.apply(rows) @ rows.T, data.alignment[metric.name][:, ids])
        for metric in data.metrics
    }
    groups = pole_groups([(cell.members, cell.high) for cell in cells], len(ids))
    plain = products[IDENTITY]
    within = within_class(plain.gram, groups, rows.shape[1])
    if within is not None:
        gram = plain.gram @ within.transform
        products[LDA] = with_moments(0.5 * (gram + gram.T), plain.alignment @ within.transform)
    return products, within


def _store_products(tables: Tables, key: Columns, ids: np.ndarray, own: TraitProducts) -> None:
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
    )
    if len(own.alignment):
        responses = integers(np.arange(len(own.alignment)))
        tables.add("alignment", key, response_id=responses, products=list_rows(own.alignment))


def _store_geometry(
    tables: Tables,
    cell: Cell,
    data: LayerData,
    ids: np.ndarray,
    own: TraitProducts,
    vector: Floats | None,
) -> None:
    rows = data.prompts[ids[cell.members]]
    if vector is None:  # of length zero, so not stored
        vector = rows[cell.high].mean(axis=0) - rows[~cell.high].mean(axis=0)
    gram = own.gram[np.ix_(cell.members, cell.members)]
    space = PromptSpace(gram, cell.high, rows.shape[1], vector)
    key: Columns = {"trait": cell.trait, "prompt_set": cell.prompt_set}
    measured = measure_all(space)
    tables.add("metrics", key, name=list(measured), **measures(list(measured.values()), "value"))
    tables.add(
        "influences",
        key,
        prompt_id=integers(ids[cell.members]),
        **measures(influences(space), "degrees"),
    )


def _store_method(
    tables: Tables, cell: Cell, result: MethodVector, data: LayerData, behaviour: Behaviour
) -> None:
    key: Columns = {
        "method": result.method.name,
        "trait": cell.trait,
        "prompt_set": cell.prompt_set,
    }
    c = result.correlation
    boot_low = boot_high = rho = rho_low = rho_high = None
    if c.r is not None:
        drift = _drift(result.projections, behaviour)
        _, scenarios = np.unique(data.scenarios[behaviour.last], return_inverse=True)
        boot = bootstrap_r(drift, behaviour.values, scenarios)
        boot_low, boot_high = boot.low, boot.high
        rank = spearman(drift, behaviour.values)
        rho, rho_low, rho_high = rank.r, rank.low, rank.high
    tables.add(
        "correlations",
        key,
        target=[behaviour.target],
        n=integers([c.n]),
        r=doubles([c.r]),
        low=doubles([c.low]),
        high=doubles([c.high]),
        p=doubles([c.p]),
        boot_low=doubles([boot_low]),
        boot_high=doubles([boot_high]),
        rho=doubles([rho]),
        rho_low=doubles([rho_low]),
        rho_high=doubles([rho_high]),
        reason=texts([c.reason]),
    )
    if result.vector is not None:
        tables.add("vectors", key, vector=fixed_rows(result.vector[None, :]))
        known = np.flatnonzero(~np.isnan(result.projections))
        if len(known):
            tables.add(
                "projections",
                key | {"held_out": result.method.fitted},
                response_id=integers(known),
                projection=result.projections[known],
            )


def _store_controls(
    tables: Tables,
    cell: Cell,
    data: LayerData,
    own: TraitProducts,
    behaviour: Behaviour,
    r: float | None,
) -> None:
    chosen = np.ix_(cell.members, cell.members)
    m = own.moments
    part = Moments(m.s[chosen], m.b[cell.members], m.y_square, m.count, m.rounding)
    controls = {
        "shuffled_labels": shuffled_labels(cell.high, part, r),
        "random_direction": random_directions(_drift(data.random, behaviour), behaviour.values, r),
    }
    key: Columns = {"trait": cell.trait, "prompt_set": cell.prompt_set}
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
    sizes = subsample(own.gram[chosen], cell.high, part)
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


def _drift(projections: Floats, behaviour: Behaviour) -> Floats:
    """Drift (or level) of the projections of the cases that enter r."""
    last: Floats = projections[behaviour.last]
    return last if behaviour.first is None else last - projections[behaviour.first]


def _behaviour_rows(trait: str, behaviour: Behaviour) -> Columns:
    count = len(behaviour.values)
    first = [None] * count if behaviour.first is None else behaviour.first.tolist()
    return {
        "trait": [trait] * count,
        "case_id": integers(np.arange(count)),
        "scenario": list(behaviour.scenarios),
        "responder": list(behaviour.responders),
        "first_response": integers(first),
        "last_response": integers(behaviour.last),
        "value": behaviour.values,
    }
