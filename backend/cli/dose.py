"""The command that measures what strengths of a vector do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.extract import ProgressBar
from backend.cli.json_output import to_json
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import SteerscopeError
from backend.runs.doses import another_vector_now
from backend.runs.requests import parse_layers
from backend.settings import Settings
from backend.steering.dose_request import DosePlan, DoseRequest, check_dose
from backend.steering.interventions import WHERE
from backend.steering.units import UNITS
from backend.steering.vectors import VectorSource
from backend.store.dose import delete_dose, dose_list, publish_dose
from backend.views.dose import words
from backend.views.dose.compute import DoseResult, dose_result
from backend.views.dose.tables import answer_rows, change_rows, measure_rows


def _arguments(parser: argparse.ArgumentParser) -> None:
    plan = DosePlan(VectorSource())
    parser.add_argument("run", nargs="?", help="id of a run, as listed by: python -m backend runs")
    parser.add_argument("--trait", help="of the run")
    parser.add_argument("--layers", help="such as 8-12 (default: the trait's best layer)")
    parser.add_argument("--method", default=MEAN_DIFFERENCE, help="(default: %(default)s)")
    parser.add_argument("--prompt-set", default="default", help="(default: %(default)s)")
    parser.add_argument("--vector", default="", metavar="NAME", help="a saved or imported vector")
    parser.add_argument(
        "--strengths",
        type=float,
        nargs="+",
        default=plan.strengths,
        metavar="S",
        help=f"besides 0 (default: {' '.join(f'{s:g}' for s in plan.strengths)})",
    )
    parser.add_argument("--unit", choices=tuple(UNITS), default=plan.unit, help="(%(default)s)")
    parser.add_argument(
        "--mode", choices=("add", "norm-add"), default=plan.mode, help="(%(default)s)"
    )
    parser.add_argument("--where", choices=tuple(WHERE), default=plan.where, help="(%(default)s)")
    parser.add_argument(
        "--questions", type=int, default=plan.questions, help="chats to answer (%(default)s)"
    )
    parser.add_argument(
        "--directions", type=int, default=plan.directions, help="random ones (%(default)s)"
    )
    parser.add_argument(
        "--tokens", type=int, default=plan.tokens, help="longest answer (%(default)s)"
    )
    parser.add_argument(
        "--temperature", type=float, default=plan.temperature, help="of answers (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=plan.seed, help="of answers and directions (%(default)s)"
    )
    parser.add_argument("--device", default="auto", help="as for extract (%(default)s)")
    parser.add_argument(
        "--judge-endpoint", default="", metavar="URL", help="have the answers scored there"
    )
    parser.add_argument(
        "--judge-model", default="", metavar="MODEL", help="name of the judge there"
    )
    parser.add_argument("--list", action="store_true", help="list what has been measured")
    parser.add_argument("--delete", default="", metavar="NAME", help="delete one, as listed")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _dose(settings: Settings, options: argparse.Namespace) -> int:
    if options.list:
        _list(settings)
        return 0
    if options.delete:
        delete_dose(settings, options.delete)
        print(f"Deleted {options.delete}.")
        return 0
    if not options.run or not (options.trait or options.vector):
        raise SteerscopeError(
            "Nothing says what is to be measured.",
            expected="a run and --trait, or a run and --vector; or --list or --delete.",
            remedy="name them.",
        )
    plan = DosePlan(
        source=VectorSource(
            run_id=options.run,
            trait=options.trait or "",
            method=options.method,
            prompt_set=options.prompt_set,
            name=options.vector,
        ),
        strengths=tuple(options.strengths),
        unit=options.unit,
        mode=options.mode,
        where=options.where,
        questions=options.questions,
        directions=options.directions,
        tokens=options.tokens,
        temperature=options.temperature,
        seed=options.seed,
    )
    request = DoseRequest(
        plan,
        parse_layers(options.layers) if options.layers else (),
        options.device,
        options.judge_endpoint,
        options.judge_model,
    )
    check_dose(settings, request)
    # Imported here: what is wrong is said at once, and torch and transformers take seconds.
    from backend.steering.dose_session import DoseSession

    bar, made = ProgressBar(), []
    try:
        session = DoseSession(settings, request, bar)
        for layer in session.layers:
            made.append(session.measure(layer))
            publish_dose(settings, made[-1])
    finally:
        bar.close()
    found = [dose_result(record) for record in made]
    if options.json:
        print(json.dumps([_json(one) for one in found], indent=2, ensure_ascii=False))
        return 0
    for one in found:
        _print(one)
    return 0


def _list(settings: Settings) -> None:
    found = dose_list(settings)
    for record in found.doses:
        steered = record.steered
        print(
            f"{record.name}  {steered.run_id}  {steered.trait}  layer {steered.layer}  "
            f"{steered.vector}  {words.STEERS[dose_result(record).behaviour.steerability.steers]}"
        )
        try:
            if another_vector_now(settings, steered):
                print(f"  {words.OTHER_VECTOR}")
        except SteerscopeError as fault:
            print(f"{steered.run_id}: {fault.what}", file=sys.stderr)
    for name, why in found.broken.items():
        print(f"{name}: {why}", file=sys.stderr)


def _json(result: DoseResult) -> object:
    record = result.record
    return {
        "name": record.name,
        "created_at": record.created_at,
        "steered": to_json(record.steered),
        "strengths": list(record.strengths),
        "directions": record.directions,
        "measures": {
            one.measure.name: {
                "changes": to_json(one.changes),
                "steerability": to_json(one.steerability),
                "steers": one.steerability.steers if one.measure.limit is None else None,
                "lost_from": list(one.lost),
            }
            for one in result.measures
        },
        "answers": answer_rows(result),
    }


def _print(result: DoseResult) -> None:
    print(f"\n{words.title(result)}  ({result.record.name})")
    print(words.answer(result))
    print(words.wrong_way(result.behaviour.steerability))
    print(words.coherence(result))
    print(words.how(result))
    _table(measure_rows(result))
    for one in result.measures:
        print(f"\n{one.measure.title}: {one.measure.about}")
        _table(change_rows(one))


def _table(rows: Sequence[dict[str, str]]) -> None:
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [dict(zip(names, names, strict=True)), *rows]:
        print("  ".join(row[name].ljust(widths[name]) for name in names).rstrip())


COMMANDS = (
    Command("dose", "Measure what strengths of a vector do to answers.", _arguments, _dose),
)
