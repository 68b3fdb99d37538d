"""Lay a view's sections out as one HTML file that needs nothing else.

The template says what it looks like; here is what it shows.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from backend.errors import ExportError, SteerscopeError
from backend.exports.report.plotly_json import plotly_script
from backend.exports.report.sections import SECTIONS
from backend.exports.report.template import report_template
from backend.runs.results import Results
from backend.store.run_values import RunSummary
from backend.views.answer import answer
from backend.views.shared.blocks import Block, Section, Text
from backend.views.shared.view import View


def write_report(
    results: Results,
    view: View,
    path: Path,
    sections: Sequence[str] = (),
    made_at: datetime.datetime | None = None,
    dashboard: str = "",
) -> None:
    """Write a report, section by section.

    Args:
        results: what the sections compute from.
        view: what it shows.
        path: the file; see :func:`backend.store.atomic.atomic_file`.
        sections: names of the sections, in the registry's order; empty for all.
        made_at: the date in its head; now unless given.
        dashboard: address of the first page of the dashboard it is made in, ending with a slash;
            empty where it is made without one.

    Raises:
        ExportError: there is no such section.
    """
    chosen = chosen_sections(sections)
    moment = made_at or datetime.datetime.now(datetime.UTC)
    pieces = report_template().generate(
        **_head(view, moment),
        view=view,
        dashboard=dashboard,
        answer=_answer(results, view),
        sections=chosen,
        built=_built(results, view, chosen),
        # Counts over the whole page, and up at every call.
        chart_number=count(1).__next__,
    )
    with path.open("w", encoding="utf-8") as handle:
        for piece in pieces:
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


def _answer(results: Results, view: View) -> Sequence[Block]:
    """What the report says first; a fault is told in its place."""
    try:
        return answer(results, view)
    except SteerscopeError as fault:
        return (Text(f"The answer is undefined. {fault.what} {fault.remedy}"),)


def _built(
    results: Results, view: View, sections: Sequence[Section]
) -> Iterator[tuple[Section, Sequence[Block]]]:
    """Each section with its blocks, built when the template comes to it.

    So one section at a time is in memory. A fault is told in the place of the section's blocks.
    """
    for section in sections:
        try:
            blocks = section.build(results, view)
        except SteerscopeError as fault:
            blocks = (Text(f"This section is undefined. {fault.what} {fault.remedy}"),)
        yield section, blocks


def _head(view: View, moment: datetime.datetime) -> dict[str, object]:
    """What the head of the page says, by the names in the template."""
    last = view.shown[-1]
    one_run, one_trait = len(view.shown) == 1, len(view.traits) == 1
    run = f"run {last.record.run_id}" if one_run else f"all {len(view.shown)} runs"
    trait = view.traits[0].replace("_", " ") if one_trait else f"all {len(view.traits)} traits"
    return {
        "run": last,
        "shown": f"{run}, {trait}",
        "layer": "best layer of each cell" if view.layer is None else f"layer {view.layer}",
        "moment": f"{moment:%Y-%m-%d %H:%M}",
        "all_simulated": all(run.simulated for run in view.runs),
        "run_facts": _run_facts(view.runs),
    }


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
    simulated = " (simulated)" if run.simulated else ""
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
