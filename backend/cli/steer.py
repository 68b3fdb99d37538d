"""The command that talks to a steered model."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any, get_args

from backend.cli.command import Command
from backend.cli.json_output import to_json
from backend.errors import SteeringError
from backend.settings import Settings
from backend.steering.answer import Turn
from backend.steering.interventions import MODES, WHERE
from backend.steering.request import SteerRequest, check_request, variants
from backend.steering.units import ONE_UNIT, UNITS, Unit
from backend.steering.vectors import SteeringVector, VectorSource, find_vector
from backend.types import Progress


def _arguments(parser: argparse.ArgumentParser) -> None:
    vector = parser.add_argument_group("which vector")
    vector.add_argument("--run", default="", help="id of a run, as listed by: runs")
    vector.add_argument("--trait", default="", help="of the run")
    vector.add_argument("--method", default="mean_difference", help="(default: %(default)s)")
    vector.add_argument("--prompt-set", default="default", help="(default: %(default)s)")
    vector.add_argument("--layer", type=int, help="(default: the one with the highest r)")
    vector.add_argument("--vector", default="", help="a saved or imported vector, by its name")
    vector.add_argument("--model", default="", help="a model in place of the run's")
    how = parser.add_argument_group("how it steers")
    how.add_argument("--mode", choices=list(MODES), default="add", help=_listed(MODES))
    how.add_argument(
        "--where", choices=list(WHERE), default="both", help=f"steered tokens. {_listed(WHERE)}"
    )
    how.add_argument(
        "--strength", type=float, nargs="+", help="one variant each; not for cap (default: 1)"
    )
    how.add_argument(
        "--unit",
        choices=get_args(Unit),
        help=f"of the strengths of add and norm-add. {_listed(UNITS)} (default: poles)",
    )
    how.add_argument("--low", type=float, help="least projection that cap allows")
    how.add_argument("--high", type=float, help="greatest projection that cap allows")
    how.add_argument("--no-control", action="store_true", help="without the random direction")
    how.add_argument("--control-seed", type=int, help="of the random direction (default: 0)")
    chat = parser.add_argument_group("the chat")
    chat.add_argument(
        "--say", action="append", required=True, metavar="TEXT", help="again for a further turn"
    )
    chat.add_argument("--system", default="", help="the system prompt")
    chat.add_argument("--temperature", type=float, default=0.0, help="(default: %(default)s)")
    chat.add_argument("--seed", type=int, default=0, help="the same in every variant (default: 0)")
    chat.add_argument("--tokens", type=int, default=100, help="longest answer (default: 100)")
    chat.add_argument("--device", default="auto", help="as for extract (%(default)s)")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, with every token and its number (ids)"
    )


def _steer(settings: Settings, options: argparse.Namespace) -> int:
    if not options.vector and not (options.run and options.trait):
        raise SteeringError(
            "Nothing says which vector steers.",
            expected="--run with --trait, or --vector.",
            remedy="name them.",
        )
    _refuse_meaningless(options)
    request = SteerRequest(
        source=VectorSource(
            run_id=options.run,
            trait=options.trait,
            method=options.method,
            prompt_set=options.prompt_set,
            layer=options.layer,
            name=options.vector,
            model=options.model,
        ),
        said=(options.say[0],),
        system=options.system,
        mode=options.mode,
        where=options.where,
        strengths=tuple(options.strength or (1.0,)),
        unit=options.unit or "poles",
        low=options.low,
        high=options.high,
        control=not options.no_control,
        control_seed=options.control_seed or 0,
        temperature=options.temperature,
        seed=options.seed,
        most_tokens=options.tokens,
        device=options.device,
    )
    check_request(settings, request)
    vector = find_vector(settings, request.source)
    answered: tuple[tuple[str, ...], ...] = ((),) * len(variants(request, vector))
    # Imported here: it takes seconds, and a wrong request is told without it.
    from backend.steering.session import SteeringSession

    session = SteeringSession(settings, vector.model, request.device, _report)
    if not options.json:
        print(_about(vector))
    turns: list[Turn] = []
    for place in range(len(options.say)):
        said = tuple(options.say[: place + 1])
        now = dataclasses.replace(request, said=said, answered=answered)
        turns.append(session.say(now, vector, lambda _: None))
        answered = tuple(
            (*own, answer.text) for own, answer in zip(answered, turns[-1].answers, strict=True)
        )
        if not options.json:
            _print(turns[-1])
    if options.json:
        about = {
            "vector": {
                "title": vector.title,
                "trait": vector.trait,
                "layer": vector.layer,
                "model": vector.model,
                "units": to_json(vector.units),
            },
            "request": request.to_json() | {"said": options.say},
            "turns": [turn.to_json() for turn in turns],
        }
        print(json.dumps(about, indent=2, ensure_ascii=False))
    return 0


def _refuse_meaningless(options: argparse.Namespace) -> None:
    """Refuse options that would be left out of account.

    Raises:
        SteeringError: one means nothing in the chosen mode.
    """
    mode = options.mode
    for given, what, expected in (
        (
            mode != "cap" and (options.low is not None or options.high is not None),
            f"--low and --high limit nothing in the mode {mode}.",
            "limits with --mode cap.",
        ),
        (
            mode == "cap" and options.strength is not None,
            "--strength means nothing in the mode cap, which moves a projection as far as its "
            "limits.",
            "--low or --high with --mode cap.",
        ),
        (
            mode in ("cap", "ablate") and options.unit is not None,
            f"--unit means nothing in the mode {mode}: "
            + (
                "limits are projections in units of activations."
                if mode == "cap"
                else "a strength is the share of the component that is removed."
            ),
            "--unit with --mode add or norm-add.",
        ),
        (
            options.no_control and options.control_seed is not None,
            "--control-seed draws nothing with --no-control.",
            "one of the two.",
        ),
    ):
        if given:
            raise SteeringError(what, expected=expected, remedy="leave it out.")


def _print(turn: Turn) -> None:
    print(f"\nuser: {turn.said}")
    for answer in turn.answers:
        before, after = answer.mean_before, answer.mean_after
        shown = "nothing to read"
        if before is not None and after is not None:
            shown = f"mean projection of the text {before:.4g}, with steering {after:.4g}"
        end = "" if answer.finished else ", cut at the limit"
        print(f"\n{answer.name} ({len(answer.tokens)} tokens{end}, {shown}):\n{answer.text}")
    rate = turn.tokens_per_second
    if rate is not None:
        print(f"\n{rate:.1f} tokens/s in {len(turn.answers)} variants together")
    for note in turn.notes:
        print(note)


def _about(vector: SteeringVector) -> str:
    units = vector.units
    return (
        f"{vector.title}, layer {vector.layer} of {vector.model}; length {units.length:.4g}\n"
        + "\n".join(
            f"1 {ONE_UNIT[unit]}: "
            + (
                f"undefined, {size.reason}"
                if size.value is None
                else f"{size.value:.4g} in units of activations"
            )
            for unit, size in ((unit, units.size(unit)) for unit in UNITS)
        )
    )


def _report(progress: Progress) -> None:
    print(progress.stage, file=sys.stderr)


def _listed(names: Mapping[Any, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in names.items())


COMMANDS = (
    Command("steer", "Talk to a model, plain and steered side by side.", _arguments, _steer),
)
