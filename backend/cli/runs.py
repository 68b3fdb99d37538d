"""Commands that read published runs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from backend.cli.command import Command
from backend.cli.json_output import correlation_json, measure_json, to_json
from backend.core.estimate import Estimate
from backend.core.metrics import registry
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.catalog import run_list, run_summary
from backend.store.run import open_run
from backend.store.run_record import IMPORTED, RunRecord
from backend.store.run_values import CellResult, RunSummary
from backend.views.shared.numbers import count_text, layers_option
from backend.views.shared.pooled import pooled_correlation


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")


def _metrics_arguments(parser: argparse.ArgumentParser) -> None:
    _run_argument(parser)
    parser.add_argument("--trait", help="only this trait")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _runs(settings: Settings, _: argparse.Namespace) -> int:
    found = run_list(settings)
    for run in found.runs:
        record = run.record
        print(
            f"{record.run_id}  {run.study_key}  {record.model_name}  layers "
            f"{layers_option(record.layers)}  {record.pooling}  {record.created_at}"
        )
    for name, why in found.broken.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 0


def _show(settings: Settings, options: argparse.Namespace) -> int:
    if options.tokens:
        return _show_tokens(settings, options)
    run = run_summary(settings, options.run)
    for field in dataclasses.fields(run.record):
        if field.name == "notices":
            continue
        value = getattr(run.record, field.name)
        if field.name == "reused":
            value = _taken(run.record, run.prompts + run.responses)
        elif isinstance(value, tuple):
            value = ", ".join(str(part) for part in value)
        print(f"{field.name:20} {value}")
    print(f"{'texts':20} {run.prompts} prompts, {run.responses} responses")
    print(f"{'tokens':20} {_pace(run)}")
    print(f"{'study_title':20} {run.study_title}")
    print(f"{'study_provenance':20} {run.study_provenance}")
    print(f"{'file':20} {settings.runs / (run.record.run_id + '.duckdb')} ({run.bytes} bytes)")
    for notice in run.record.notices:
        print(f"{'notice':20} {notice}")
    return 0


def _pace(run: RunSummary) -> str:
    """How many tokens were read, and how fast, where that is known."""
    if run.record.model_source == IMPORTED:
        return f"{run.tokens or 'not known'}, read elsewhere"
    rate = run.tokens / run.forward_seconds if run.forward_seconds > 0 else 0.0
    return f"{run.tokens} in {run.forward_seconds:.1f} s ({rate:.0f} tokens/s)"


def _taken(record: RunRecord, total: int) -> str:
    """How many of a run's texts were taken from which earlier runs."""
    if record.model_source == IMPORTED:
        return "nothing: all activations are of the imported file"
    parts = [
        f"{count} of {total} texts from run {run_id}" for run_id, count in record.reused.items()
    ]
    return ", ".join(parts) or "nothing: every text was read"


def _show_tokens(settings: Settings, options: argparse.Namespace) -> int:
    # Imported here: only this needs transformers, which takes seconds.
    from backend.runs.tokens import tokens_of

    for number, token in enumerate(tokens_of(settings, options.run, options.tokens)):
        print(f"{number:5}  {'pooled' if token.pooled else '':6}  {token.text!r}")
    return 0


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    _run_argument(parser)
    parser.add_argument(
        "--tokens",
        metavar="WHICH",
        help="instead, the tokens that the model reads of a text, and which of them are pooled: "
        "prompt:N (its # on the Prompts page), response:SCENARIO, response:SCENARIO/TURN, or "
        "text:ANY TEXT",
    )


def _metrics(settings: Settings, options: argparse.Namespace) -> int:
    with open_run(settings, options.run) as run:
        found = [
            dataclasses.replace(cell, pooled=pooled_correlation(run, cell))
            for cell in run.cells(options.trait)
        ]
        traits = ", ".join(run.traits)
    if not found:
        raise StoreError(
            f"Run {options.run} has no trait {options.trait!r}.",
            expected=f"one of {traits}.",
            remedy="leave --trait out to see all traits.",
        )
    if options.json:
        print(json.dumps([_cell_json(cell) for cell in found], indent=2))
        return 0
    for cell in found:
        _print_cell(cell)
    return 0


def _cell_json(cell: CellResult) -> dict[str, object]:
    return {
        "trait": cell.key.trait,
        "prompt_set": cell.key.prompt_set,
        "layer": cell.key.layer,
        "correlation": {"target": cell.target} | correlation_json(cell.correlation),
        "pooled": correlation_json(cell.pooled),
        "bootstrap": to_json(cell.bootstrap),
        "rank": to_json(cell.rank),
        "controls": {kind: to_json(control) for kind, control in cell.controls.items()},
        "metrics": {
            metric.name: measure_json(cell.metrics[metric.name]) | {"unit": metric.unit}
            for metric in registry.METRICS
        },
    }


def _print_cell(cell: CellResult) -> None:
    c = cell.correlation
    print(f"\n{cell.key.trait}, set {cell.key.prompt_set}, layer {cell.key.layer}")
    if c.value is None:
        print(f"  {'r over ' + cell.target:26} undefined: {c.reason}")
        _print_pooled(cell)
    else:
        interval = "no interval" if c.low is None else f"95% [{c.low:+.3f}, {c.high:+.3f}]"
        p = "p undefined" if c.p is None else f"p={c.p:.2g}"
        print(f"  {'r over ' + cell.target:26} {c.value:+.3f}  {interval}  {count_text(c)}  {p}")
        _print_pooled(cell)
        print(f"  {'':26} {_interval('bootstrap', cell.bootstrap)}")
    if cell.rank.value is not None:
        print(f"  {'Spearman rho':26} {cell.rank.value:+.3f}  {_interval('95%', cell.rank)}")
    for kind, control in cell.controls.items():
        if control.typical is not None:
            low, high = control.low, control.high
            print(
                f"  {'r of ' + kind.replace('_', ' '):26} 95% [{low:+.3f}, {high:+.3f}]"
                f"  {control.draws} draws  p={control.p:.2g}"
            )
    for metric in registry.METRICS:
        found = cell.metrics[metric.name]
        shown = f"undefined: {found.reason}" if found.value is None else f"{found.value:.6g}"
        print(f"  {metric.name:26} {shown}  ({metric.unit})")


def _print_pooled(cell: CellResult) -> None:
    """r over all responders, where it differs from that within them."""
    if cell.pooled.value is not None and cell.pooled.value != cell.correlation.value:
        print(f"  {'over all responders':26} {cell.pooled.value:+.3f}  not judged")


def _interval(title: str, found: Estimate) -> str:
    if found.low is None or found.high is None:
        why = f": {found.reason}" if found.reason else ""
        return f"{title} interval undefined{why}"
    return f"{title} [{found.low:+.3f}, {found.high:+.3f}]"


COMMANDS = (
    Command("runs", "List the published runs.", lambda _: None, _runs),
    Command("show", "Show where a run came from.", _show_arguments, _show),
    Command("metrics", "Print every metric and r of a run.", _metrics_arguments, _metrics),
)
