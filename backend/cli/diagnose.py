"""The command that says why cells fail."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.json_output import correlation_json, to_json
from backend.runs.doses import steering_of
from backend.settings import Settings
from backend.store.run import open_run
from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.shared.numbers import estimate_text


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")
    parser.add_argument("--trait", help="only this trait")
    parser.add_argument("--layer", type=int, help="at this layer (default: each trait's best)")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _diagnose(settings: Settings, options: argparse.Namespace) -> int:
    with open_run(settings, options.run) as run:
        found = diagnose_run(
            run,
            options.prompt_set,
            options.trait,
            options.layer,
            settings.thresholds,
            steering_of(settings, options.run),
        )
    if options.json:
        print(json.dumps([_json(d) for d in found], indent=2, ensure_ascii=False))
        return 0
    print_diagnoses(found)
    return 0


def print_diagnoses(found: Sequence[Diagnosis]) -> None:
    """Print each trait's causes, with their evidence and fixes.

    Args:
        found: one a trait.
    """
    for diagnosis in found:
        _print(diagnosis)


def _json(diagnosis: Diagnosis) -> dict[str, object]:
    found: dict[str, object] = to_json(diagnosis)
    return found | {"r": correlation_json(diagnosis.r)}


def _print(diagnosis: Diagnosis) -> None:
    r = diagnosis.r
    shown = "r undefined" if r.value is None else f"r {r.value:+.2f}, n = {r.n}"
    print(f"\n{diagnosis.trait}, layer {diagnosis.layer}: {shown}. {diagnosis.headline}")
    for judgement in diagnosis.judgements:
        _print_judgement(judgement)


def _print_judgement(judgement: Judgement) -> None:
    print(f"  [{judgement.verdict:12}] {judgement.title}: {judgement.summary}")
    if judgement.verdict == "ruled out":
        return
    for row in judgement.rows:
        note = f"  ({row.note})" if row.note else ""
        print(f"      {row.name}: {estimate_text(row.estimate)}{note}")
    if judgement.fix is not None:
        print(f"      try: {judgement.fix.label}; r changes by {estimate_text(judgement.fix.gain)}")
    print(f"      looks alike: {judgement.confusions}")


COMMANDS = (Command("diagnose", "Say why the cells of a run fail.", _arguments, _diagnose),)
