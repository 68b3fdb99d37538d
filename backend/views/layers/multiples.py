"""Every model's traits and layers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.store.run_values import CellResult
from backend.views.layers.compute import LayerChoice
from backend.views.layers.figures import outline
from backend.views.shared.numbers import r_text
from backend.views.shared.style import COLOUR_BAR, DIVERGING, tidy, trait_label, wrapped

# Columns of panels, so that a cell stays wide enough to be seen. On a phone it is too narrow for
# its number, which the hover and the view of one run have.
COLUMNS = 3


def models_heatmap(
    models: Mapping[str, tuple[Sequence[CellResult], Sequence[LayerChoice]]],
) -> go.Figure:
    """r of every trait at every layer, one panel a model, all on one colour scale.

    Args:
        models: name -> its cells of one prompt set, and its best layers, which are framed; at
            least one.
    """
    columns = min(COLUMNS, len(models))
    rows = -(-len(models) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[wrapped(name, 12) for name in models],
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.16 / rows,
    )
    traits = list(dict.fromkeys(c.trait for _, choices in models.values() for c in choices))
    every = [
        abs(cell.correlation.value)
        for cells, _ in models.values()
        for cell in cells
        if cell.correlation.value is not None
    ]
    for place, (name, (cells, choices)) in enumerate(models.items()):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        by_key = {(cell.key.trait, cell.key.layer): cell for cell in cells}
        layers = sorted({cell.key.layer for cell in cells})
        found = [[by_key.get((trait, layer)) for layer in layers] for trait in traits]
        figure.add_trace(_panel(name, traits, layers, found), **at)
        for choice in choices:
            if choice.layer is not None:
                x, y = layers.index(choice.layer), traits.index(choice.trait)
                outline(figure, x, y, 2, **at)
    limit = max(0.1, max(every, default=1.0))
    figure.update_layout(
        coloraxis={
            "colorscale": DIVERGING,
            "cmin": -limit,
            "cmax": limit,
            "colorbar": COLOUR_BAR | {"y": -0.2, "title": {"text": "r", "side": "top"}},
        }
    )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_xaxes(title="layer", row=rows)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    figure.update_annotations(font_size=12)
    figure = tidy(figure, height=150 + rows * (70 + 30 * max(1, len(traits))))
    return figure.update_layout(margin_t=50)


def _panel(
    name: str,
    traits: Sequence[str],
    layers: Sequence[int],
    found: Sequence[Sequence[CellResult | None]],
) -> go.Heatmap:
    values = [[None if cell is None else cell.correlation.value for cell in row] for row in found]
    return go.Heatmap(
        z=values,
        x=[str(layer) for layer in layers],
        y=[trait_label(trait, 22) for trait in traits],
        customdata=[["" if c is None else wrapped(_said(c)) for c in row] for row in found],
        hovertemplate=f"<b>{wrapped(name)}</b><br>%{{y}}, layer %{{x}}<br>%{{customdata}}"
        "<extra></extra>",
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
    )


def _said(cell: CellResult) -> str:
    return f"r = {r_text(cell.correlation)}"
