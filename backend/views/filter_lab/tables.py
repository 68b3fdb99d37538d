"""Tables and headline of the Filter lab as HTML, which redraws in a few milliseconds where a chart
takes tens."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence

from backend.core.estimate import Estimate
from backend.core.metrics.registry import in_lab
from backend.types import POLES
from backend.views.filter_lab.axis import effective
from backend.views.filter_lab.compute import CardChange, LabView
from backend.views.filter_lab.intervals import LabIntervals
from backend.views.filter_lab.named import Beside
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import (
    GREEN,
    INK,
    POLE_COLOURS,
    STATUS_SIGNS,
    VERMILION,
    diverging,
)

# Lines take the text's colour, so that they show on a light and on a dark page.
STYLE = f"""<style>
.lab {{ width: 100%; border-collapse: collapse; font-size: 0.86rem; line-height: 1.3; }}
.lab th {{ text-align: left; font-weight: 600; padding: 3px 6px; vertical-align: middle; }}
.lab td {{ padding: 3px 6px; vertical-align: top;
  border-top: 1px solid color-mix(in srgb, currentColor 16%, transparent); }}
.lab td.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.lab th.n {{ text-align: right; }}
.lab small {{ opacity: 0.75; }}
.lab tr.dropped td {{ opacity: 0.45; }}
.lab tr.dropped td.t {{ text-decoration: line-through; }}
.lab-scroll {{ max-height: 420px; overflow-y: auto; contain: content; }}
.lab-scroll .lab {{ table-layout: fixed; }}
.lab-scroll col.s {{ width: 6.2em; }}
.lab-scroll col.n {{ width: 5.8em; }}
.lab-head {{ min-height: 4.6em; font-size: 1.02rem; }}
.lab-saved {{ margin: 0; }}
.lab-intervals + .lab-intervals {{ margin-top: 10px; }}
.lab-intervals {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  gap: 10px; font-size: 0.9rem; line-height: 1.35; }}
.lab-intervals > div {{ padding: 6px 10px; border-radius: 6px; min-height: 5.6em;
  border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
.lab-title {{ font-size: 1.05rem; font-weight: 600; margin: 0 0 6px; }}
.lab-card td.c {{ color: {INK}; border: 3px solid transparent; border-radius: 6px;
  background-clip: padding-box; text-align: center; font-size: 0.8rem; }}
.lab-card td.gained {{ outline: 3px solid {GREEN}; outline-offset: -4px; }}
.lab-card td.lost {{ outline: 3px dashed {VERMILION}; outline-offset: -4px; }}
.lab td.s {{ white-space: nowrap; }}
.lab-card td.flash {{ animation: lab-flash 0.9s ease-out; }}
@keyframes lab-flash {{ from {{ box-shadow: 0 0 0 7px currentColor; }}
  to {{ box-shadow: 0 0 0 0 transparent; }} }}
@media (prefers-reduced-motion: reduce) {{ .lab-card td.flash {{ animation: none; }} }}
@media (max-width: 640px) {{
  .lab-card {{ table-layout: fixed; }}
  .lab-card th {{ font-size: 0.7rem; padding: 3px 2px; overflow-wrap: anywhere; }}
  .lab-card th:first-child {{ width: 30%; }}
  .lab-card td.c {{ padding: 4px 1px; font-size: 0.7rem; }} }}
</style>"""
_BEST = (
    '<p class="lab"><small>Each cell shows its best layer, chosen again for every setting. This '
    "selection inflates r, and the intervals do not correct for it. To avoid it, choose a layer in "
    "the sidebar.</small></p>"
)
_DEPENDENT = (
    "Cases of one group are dependent. While the slider moves, intervals use the effective number "
    "of cases of the mean difference; the intervals below measure it for each vector."
)
_SIGNS = {"high": "▲", "low": "▼"}
# Under these metrics lengths are no longer in activation units.
UNITLESS = ("standardised", "lda")


def headline(view: LabView, note: str) -> str:
    """Which cell, which setting, and r before and after, as HTML of a steady height.

    Args:
        view: the setting.
        note: what the inner product did at this cell.
    """
    _, trait, layer = view.place
    pipeline = effective(view.pipeline)
    kept = sum(prompt.kept for prompt in view.prompts)
    now = r_text(view.after) if view.refusal is None else f"refused: {view.refusal}"
    metric = f" ({note})" if note and pipeline.metric != "identity" else ""
    dependent = view.before.groups or view.after.groups
    note = f"<br><small>{_DEPENDENT}</small>" if dependent else ""
    return (
        f'<div class="lab-head"><b>{html.escape(trait.replace("_", " "))}</b>, layer {layer}, '
        f'<span data-live="label">{html.escape(pipeline.label)}</span>{html.escape(metric)}: '
        f'<span data-live="kept">{kept}</span> of {len(view.prompts)} prompts kept<br>'
        f"r before <b>{html.escape(r_text(view.before))}</b><br>"
        f'r with these settings <b data-live="now">{html.escape(now)}</b>{note}</div>'
    )


def card_table(
    view: LabView,
    runs: Sequence[str],
    labels: Sequence[str],
    traits: Sequence[str],
    flash: Collection[tuple[str, str]],
    best: bool = False,
) -> str:
    """The scorecard under the setting, with what it was as published.

    Args:
        view: the setting.
        runs: columns.
        labels: name of each.
        traits: rows.
        flash: cells that changed status with the last move.
        best: whether each cell shows the layer with the highest r, which a note then says.
    """
    head = "".join(f"<th>{html.escape(label)}</th>" for label in labels)
    rows = []
    for trait in traits:
        cells = "".join(
            _card_cell(view.card.get((run, trait)), (run, trait) in flash) for run in runs
        )
        rows.append(f"<tr><th>{html.escape(trait.replace('_', ' '))}</th>{cells}</tr>")
    return (
        f'<table class="lab lab-card" aria-label="Scorecard"><thead><tr><th></th>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table>{_BEST if best else ''}"
    )


def titled(title: str, body: str) -> str:
    """A table under its title.

    Args:
        title: plain text.
        body: HTML.
    """
    return f'<section><h5 class="lab-title">{html.escape(title)}</h5>{body}</section>'


def to_be_saved(view: LabView) -> str:
    """Which vector the button saves, as HTML.

    Args:
        view: the setting.
    """
    _, trait, layer = view.place
    kept = sum(prompt.kept for prompt in view.prompts)
    return (
        f'<p class="lab-saved">Saves <b>{html.escape(trait.replace("_", " "))}</b>, layer {layer}: '
        f"<b>{html.escape(effective(view.pipeline).label)}</b>, from {kept} of "
        f"{len(view.prompts)} prompts.</p>"
    )


def metrics_table(view: LabView) -> str:
    """Every live metric as published and now, and whether the change is good.

    Args:
        view: the setting.
    """
    rows = []
    for metric in in_lab():
        before, after = view.metrics[metric.name]
        unit, verdict = metric.unit, _verdict(metric.better, before, after)
        if view.pipeline.metric in UNITLESS and not metric.scale_free:
            unit, verdict = f"{unit} → units of the metric", "not comparable"
        why = view.refusal or f"undefined when {metric.undefined_when}"
        title = html.escape(
            f"{metric.formula}; {metric.range}; undefined when: {metric.undefined_when}", quote=True
        )
        rows.append(
            f'<tr><td title="{title}">{html.escape(metric.title)} <small>{html.escape(unit)}'
            f'</small></td><td class="n">{_figure(before, why)}</td>'
            f'<td class="n">{_figure(after, why)}</td><td>{verdict}</td></tr>'
        )
    return (
        '<table class="lab" aria-label="Metrics"><thead><tr><th>metric</th>'
        '<th class="n">before</th><th class="n">now</th><th>change</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def prompts_table(view: LabView, texts: Mapping[int, str]) -> str:
    """Kept and dropped prompts with their cosines, each pole by falling cosine.

    Args:
        view: the setting.
        texts: prompt id -> text.
    """
    parts = []
    for pole in POLES:
        own = [prompt for prompt in view.prompts if prompt.pole == pole]
        kept = sum(prompt.kept for prompt in own)
        parts.append(
            f'<tr><th colspan="3"><span style="color:{POLE_COLOURS[pole]}">{_SIGNS[pole]}</span> '
            f'{pole} pole: <span data-live="{pole}">{kept}</span> of {len(own)} kept</th></tr>'
        )
        for prompt in own:
            mark, state = ("✓", "kept") if prompt.kept else ("✕", "dropped")
            cosine = "no direction" if prompt.cosine is None else f"{prompt.cosine:.3f}"
            parts.append(
                f'<tr class="{state}" data-pole="{pole}" data-cosine="{prompt.cosine}">'
                f'<td class="s">{mark} {state}</td><td class="n">{cosine}</td>'
                f'<td class="t">{html.escape(texts[prompt.prompt_id])} '
                f"<small>#{prompt.prompt_id}</small></td></tr>"
            )
    return (
        # Columns of a known width: a row that is dropped under the pointer moves no other.
        '<div class="lab-scroll" tabindex="0"><table class="lab" aria-label="Prompts">'
        '<colgroup><col class="s"><col class="n"><col></colgroup><tbody>'
        f"{''.join(parts)}</tbody></table></div>"
    )


def intervals_table(found: LabIntervals | None) -> str:
    """Intervals of the chosen cell; dots of the same height until they are known.

    Args:
        found: None while the slider moves.
    """
    dependent = found is not None and found.before.groups is not None
    units = "groups" if dependent else "scenarios"
    boot = f"BCa bootstrap over {units}"
    rows: list[tuple[str, str, Estimate | None]] = [
        ("r before", boot, found.before if found else None),
        (
            "r with these settings",
            f"{boot}; inflated if you chose the setting by its r",
            found.after if found else None,
        ),
        (
            "difference",
            "jackknife over groups" if dependent else "Williams’s test, Zou’s interval",
            found.difference if found else None,
        ),
        (
            "best threshold, held out",
            f"chosen {_among(found)}on one half of the {units}, measured on the other",
            found.held_out if found else None,
        ),
    ]
    boxes = "".join(
        f"<div><small>{name}</small><br><b>{_interval_text(estimate) if found else '…'}</b><br>"
        f"<small>{how}</small></div>"
        for name, how, estimate in rows
    )
    return f'<div class="lab-intervals" aria-label="Intervals">{boxes}</div>'


def beside_table(found: Beside | None, name: str) -> str:
    """A saved or imported vector beside the settings; dots of the same height until it is known.

    Args:
        found: None while the slider moves.
        name: of the vector.
    """
    cosine = "…"
    if found is not None:
        cosine = f"undefined: {found.no_cosine}" if found.cosine is None else f"{found.cosine:+.3f}"
    rows = [
        (
            f"r of {name}",
            _interval_text(found.r) if found else "…",
            "BCa bootstrap; inflated if it was chosen on these scores",
        ),
        (
            f"r with these settings minus r of {name}",
            _interval_text(found.difference) if found else "…",
            "of correlations that share the scores",
        ),
        ("cosine of the two vectors", html.escape(cosine), "both from low to high"),
    ]
    boxes = "".join(
        f"<div><small>{html.escape(title)}</small><br><b>{said}</b><br><small>{how}</small></div>"
        for title, said, how in rows
    )
    label = html.escape(f"Beside {name}", quote=True)
    return f'<div class="lab-intervals" aria-label="{label}">{boxes}</div>'


def _among(found: LabIntervals | None) -> str:
    """Which thresholds were tried, where not all were."""
    if found is None or found.tried[0] == found.tried[1]:
        return ""
    return f"among {found.tried[0]} of {found.tried[1]:,} thresholds, "


def _interval_text(estimate: Estimate | None) -> str:
    if estimate is None:
        return "no filter"
    text = r_text(estimate)
    p = p_text(estimate.p)
    text += "" if estimate.p is None else f", p {p}" if p.startswith("<") else f", p = {p}"
    if estimate.value is not None and estimate.reason:
        text += f" ({estimate.reason})"
    return (
        html.escape(text).replace("n = ", "n&nbsp;=&nbsp;").replace("p &lt; ", "p&nbsp;&lt;&nbsp;")
    )


def _card_cell(change: CardChange | None, flash: bool) -> str:
    if change is None:
        return '<td class="c">not in this run</td>'
    classes = " ".join(["c", change.move or "", "flash" if flash else ""]).strip()
    after = change.after
    colour = "transparent" if after.value is None else diverging(after.value)
    sign = STATUS_SIGNS[change.after_status]
    if after.value is None:
        first = f"{sign} undefined"
        where = ""
    else:
        band = "" if after.low is None else f"[{after.low:+.2f}, {after.high:+.2f}]"
        first = f"<b>{sign} {after.value:+.2f}</b>"
        where = f"<br>{band}<br>layer {change.after_layer}"
    arrow = {"gained": "▲ gained, ", "lost": "▼ lost, ", None: ""}[change.move]
    was = "undefined" if change.before.value is None else f"{change.before.value:+.2f}"
    title = html.escape(
        f"{change.after_status}: r = {r_text(after)}; was {change.before_status}: "
        f"{r_text(change.before)}, layer {change.before_layer}",
        quote=True,
    )
    ink = "" if after.value is not None else "color:inherit;"
    return (
        f'<td class="{classes}" style="{ink}background-color:{colour}" title="{title}">{first}'
        f"{where}<br>{arrow}was {STATUS_SIGNS[change.before_status]} {was}</td>"
    )


def _figure(value: float | None, why: str) -> str:
    if value is None:
        return f'<span title="{html.escape(why, quote=True)}">undefined</span>'
    return f"{value:.4g}"


def _verdict(better: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "–"
    if abs(after - before) <= 1e-9 * max(abs(before), abs(after)):
        return "="
    arrow = "▲" if after > before else "▼"
    if better == "neither":
        return arrow
    return f"{arrow} {'better' if (after > before) == (better == 'higher') else 'worse'}"
