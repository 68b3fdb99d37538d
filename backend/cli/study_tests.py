"""Commands that run the study's ten tests: on what was published, and on any study."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.json_output import to_json
from backend.core.finding import Finding, Row
from backend.errors import StoreError
from backend.runs.results import Results
from backend.settings import Settings
from backend.store.catalog import run_list
from backend.views.scorecard.compute import newest_by_model
from backend.views.shared.numbers import estimate_text
from backend.views.study_tests import words
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.published import published_findings


def _json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _tests_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="name or name@hash of a study with runs")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument(
        "--run",
        action="append",
        help="this run; may be repeated (default: the newest of each model)",
    )
    _json_argument(parser)


def _reference(settings: Settings, options: argparse.Namespace) -> int:
    return _print(published_findings(settings.thresholds), options.json, published=True)


def _tests(settings: Settings, options: argparse.Namespace) -> int:
    known = run_list(settings).of_study(options.study)
    # Two runs of one model would count as two models.
    chosen = [run for run in known if run.run_id in (options.run or ())]
    if not options.run:
        chosen = [*newest_by_model(known)]
    if not chosen:
        raise StoreError(
            f"No run of study {options.study!r} was found.",
            expected="a study that has been extracted.",
            remedy="list the runs with: python -m backend runs.",
        )
    sets = sorted({name for run in chosen for name in run.prompt_sets})
    if options.prompt_set not in sets:
        raise StoreError(
            f"Study {options.study} has no prompt set {options.prompt_set!r}.",
            expected=f"one of {', '.join(sets)}.",
            remedy="name one with --prompt-set.",
        )
    results = Results(settings)
    findings = results.of_runs(
        findings_of_study,
        [run.run_id for run in chosen],
        options.prompt_set,
        results.thresholds,
    )
    return _print(findings, options.json, published=False)


def _print(findings: Sequence[Finding], as_json: bool, published: bool) -> int:
    if as_json:
        told = [{**to_json(found), "confidence": words.confidence(found)} for found in findings]
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    width = max(80, min(140, shutil.get_terminal_size().columns))
    tests, checks = words.split(findings)
    for number, finding in enumerate(tests, start=1):
        _print_finding(f"{number}. {finding.question}", finding, width, published)
    for finding in checks:
        print(f"\n{words.CHECK}")
        _print_finding(finding.question, finding, width, published)
    return 0


def _print_finding(title: str, finding: Finding, width: int, published: bool) -> None:
    print(f"\n{title}  [{words.confidence(finding)}]")
    print(textwrap.fill(finding.answer, width, initial_indent="   ", subsequent_indent="   "))
    _print_rows(finding.rows, published)
    if finding.caveat:
        caveat = f"Caveat: {finding.caveat}"
        print(textwrap.fill(caveat, width, initial_indent="   ", subsequent_indent="   "))


def _print_rows(rows: Sequence[Row], published: bool) -> None:
    if not rows:
        return
    name_width = max(len(row.name) for row in rows)
    texts = [estimate_text(row.estimate) for row in rows]
    value_width = max(len(text) for text in texts)
    print_width = max(len(row.published or "") for row in rows)
    for row, text in zip(rows, texts, strict=True):
        line = f"     {row.name:{name_width}}  {text:{value_width}}"
        if published:
            mark = f"published {row.published}" if row.published else ""
            line += f"  {mark:{print_width + 10 if print_width else 0}}"
        print(f"{line}  {row.note}".rstrip())


COMMANDS = (
    Command(
        "reference",
        "Recompute the published study's figures from its printed tables.",
        _json_argument,
        _reference,
    ),
    Command("tests", "Run the study's ten tests on a study's runs.", _tests_arguments, _tests),
)
