"""Lay a view's sections out as one HTML file that needs nothing else.

The file's own policy forbids it every request, so it opens the same without a network.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import count
from pathlib import Path

from backend.errors import ExportError, SteerscopeError
from backend.exports.report.plotly_json import figure_height, figure_json, plotly_script
from backend.exports.report.sections import SECTIONS
from backend.settings import Settings
from backend.store.run_record import SIMULATED
from backend.store.run_values import RunSummary
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.view import View

_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'"
)

# Characters: a cell with more is wide; a word with more, such as a hash, may break every so often.
_LONG, _WORD, _BREAK = 60, 30, 16


def write_report(
    settings: Settings,
    view: View,
    path: Path,
    sections: Sequence[str] = (),
    made_at: datetime.datetime | None = None,
) -> None:
    """Write a report, section by section.

    Args:
        settings: where the store is.
        view: what it shows.
        path: the file; see :func:`backend.exports.atomic.atomic_file`.
        sections: names of the sections, in the registry's order; empty for all.
        made_at: the date in its head; now unless given.

    Raises:
        ExportError: there is no such section.
    """
    chosen = chosen_sections(sections)
    moment = made_at or datetime.datetime.now(datetime.UTC)
    with path.open("w", encoding="utf-8") as handle:
        for piece in _pieces(settings, view, chosen, moment):
            handle.write(piece)


def chosen_sections(names: Sequence[str]) -> tuple[Section, ...]:
    """The registered sections of these names; all for none.

    Raises:
        ExportError: there is no such section.
    """
    known = [section.name for section in SECTIONS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExportError(
            f"There is no section {', '.join(unknown)}.",
            expected=f"one or more of {', '.join(known)}.",
            remedy="leave the sections out to get all.",
        )
    return tuple(section for section in SECTIONS if not names or section.name in names)


def expected_bytes(view: View, sections: Sequence[str] = ()) -> int:
    """About the size of a report, within a factor of two.

    Raises:
        ExportError: there is no such section.
    """
    each = sum(section.cell_bytes for section in chosen_sections(sections))
    return len(plotly_script()) + each * len(view.shown) * len(view.traits)


def _pieces(
    settings: Settings, view: View, sections: Sequence[Section], moment: datetime.datetime
) -> Iterator[str]:
    title = escape(view.shown[-1].study_title)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{_text('report.css')}</style>\n"
        f"<script>{plotly_script()}</script>\n</head>\n<body>\n"
    )
    yield _head(view, sections, moment)
    numbers = count(1)
    yield "<main>\n"
    for section in sections:
        yield f'<section id="{section.name}">\n<h2>{escape(section.title)}</h2>\n'
        try:
            blocks = section.build(settings, view)
        except SteerscopeError as fault:
            blocks = (Text(f"This section is undefined. {fault.what} {fault.remedy}"),)
        for block in blocks:
            yield from _block(block, numbers, 3)
        yield f'<p class="note">In the dashboard: /{section.page}?{escape(view.query())}</p>\n'
        yield "</section>\n"
    yield f"</main>\n<script>\n{_text('report.js')}</script>\n</body>\n</html>\n"


def _head(view: View, sections: Sequence[Section], moment: datetime.datetime) -> str:
    first = view.shown[-1]
    single = len(view.shown) == 1
    shown = f"run {first.record.run_id}" if single else f"all {len(view.shown)} runs"
    traits = (
        view.traits[0].replace("_", " ")
        if len(view.traits) == 1
        else f"all {len(view.traits)} traits"
    )
    layer = "best layer of each cell" if view.layer is None else f"layer {view.layer}"
    links = "".join(
        f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections
    )
    return (
        f"<header>\n<h1>{escape(first.study_title)}</h1>\n"
        f'<p class="{"simulated" if view.simulated else "real"}">{_kind(view)}</p>\n'
        f"<p>{escape(first.study_provenance)}</p>\n"
        f"<p>Shows {escape(shown)}, {escape(traits)}, prompt set {escape(view.prompt_set)}, "
        f"{layer}. Made by Steerscope on {moment:%Y-%m-%d %H:%M} UTC from study "
        f"{escape(first.study_key)}.</p>\n"
        f'<p class="note">Open this view again with the address /?{escape(view.query())}</p>\n'
        + _table(_run_facts(view.runs))
        + f"<nav><ul>{links}</ul></nav>\n</header>\n"
    )


def _kind(view: View) -> str:
    """Whether the numbers are a model's."""
    if not view.simulated:
        return (
            "<strong>Real</strong>: these activations were extracted from the models named below."
        )
    if all(run.record.model_source == SIMULATED for run in view.runs):
        return (
            "<strong>Simulated</strong>: these activations were drawn by a simulator with known "
            "planted causes, not by a model."
        )
    return (
        "<strong>Simulated in part</strong>: the runs marked so below were drawn by a simulator, "
        "not by a model."
    )


def _run_facts(runs: Sequence[RunSummary]) -> list[dict[str, object]]:
    """What the runs were made from, a fact a row and a run a column."""
    columns = [_facts(run) for run in runs]
    names = [run.record.run_id for run in runs]
    return [
        {"run": fact} | {name: facts[fact] for name, facts in zip(names, columns, strict=True)}
        for fact in columns[0]
    ]


def _facts(run: RunSummary) -> dict[str, object]:
    record = run.record
    simulated = " (simulated)" if record.model_source == SIMULATED else ""
    return {
        "model": record.model + simulated,
        "revision": record.model_revision or "none recorded",
        "weights sha256": record.weights_hash,
        "architecture": f"{record.architecture}, d = {record.width}, {record.depth} blocks",
        "layers": ", ".join(map(str, record.layers)),
        "pooling": record.pooling,
        "texts": f"{run.prompts} prompts, {run.responses} responses",
        "dtype, device": f"{record.dtype}, {record.device}",
        "extracted": record.created_at,
        "seed": record.seed,
        "versions": ", ".join(f"{name} {found}" for name, found in record.versions.items()),
    }


def _block(block: Block, numbers: Iterator[int], level: int) -> Iterator[str]:
    if isinstance(block, Text):
        yield f'<p class="{block.kind}">{escape(block.text)}</p>\n'
    elif isinstance(block, Chart):
        number = next(numbers)
        yield _heading(block.title, level) + f'<p class="see">{escape(block.see)}</p>\n'
        yield (
            f'<div class="chart" id="chart-{number}" style="height:{figure_height(block.figure)}px"'
            f' role="img" aria-label="{escape(f"{block.title}. {block.see}")}"></div>\n'
            f'<script type="application/json" data-chart="chart-{number}">'
            f"{figure_json(block.figure)}</script>\n"
        )
    elif isinstance(block, Table):
        yield _heading(block.title, level)
        yield f'<p class="see">{escape(block.see)}</p>\n' if block.see else ""
        yield _table(block.rows)
    else:
        yield f"<details{' open' if block.open else ''}><summary>{escape(block.title)}</summary>\n"
        for inner in block.blocks:
            yield from _block(inner, numbers, level + 1)
        yield "</details>\n"


def _heading(title: str, level: int) -> str:
    return f"<h{level}>{escape(title)}</h{level}>\n" if title else ""


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return "<p>Nothing to list.</p>\n"
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in rows[0])
    body = "\n".join(
        "<tr>" + "".join(_cell(str(value)) for value in row.values()) + "</tr>" for row in rows
    )
    return (
        '<div class="table"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def _cell(text: str) -> str:
    """A cell; long text gets room, and a word too long for it may break."""
    words = " ".join(
        escape(word)
        if len(word) <= _WORD
        else "<wbr>".join(escape(word[at : at + _BREAK]) for at in range(0, len(word), _BREAK))
        for word in text.split(" ")
    )
    return f'<td class="long">{words}</td>' if len(text) > _LONG else f"<td>{words}</td>"


def _text(name: str) -> str:
    return (_HERE / name).read_text("utf-8")
