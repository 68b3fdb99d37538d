"""The command that follows conversations from turn to turn."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.json_output import to_json
from backend.errors import StoreError
from backend.settings import Settings
from backend.store.run import Run, open_run
from backend.turns import turn_of
from backend.views.map.compute import layer_of_map
from backend.views.trajectories import words
from backend.views.trajectories.compute import BEGIN, END, drift_r, trajectories, turn_r
from backend.views.trajectories.tables import drift_rows, mean_rows, missing, over_turns_rows


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")
    parser.add_argument("--trait", help="only this trait")
    parser.add_argument("--layer", type=int, help="at this layer (default: each trait's best)")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument(
        "--from",
        dest="start",
        default=BEGIN,
        help="turn where the drift starts (default: first)",
    )
    parser.add_argument(
        "--to", dest="stop", default=END, help="turn where the drift ends (default: last)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with every turn")


def _turns(settings: Settings, options: argparse.Namespace) -> int:
    with open_run(settings, options.run) as run:
        # Those of a set that the run has not are refused by name.
        every = run.traits_of_set(options.prompt_set) or tuple(run.traits)
        traits = [options.trait] if options.trait else every
        found = [_of_trait(run, trait, options) for trait in traits]
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def _of_trait(run: Run, trait: str, options: argparse.Namespace) -> object:
    layer = options.layer
    if layer is None:
        layer = layer_of_map(run, trait, options.prompt_set)
    cell = (run, trait, options.prompt_set, layer)
    found = trajectories(*cell)
    start, stop = (_turn(turn, found.turns) for turn in (options.start, options.stop))
    over, drift = turn_r(*cell), drift_r(*cell, start, stop)
    if options.json:
        return {"means": to_json(found), "r_over_turns": to_json(over), "drift": to_json(drift)}
    print(f"\n{trait}, layer {layer}: ", end="")
    if not found.turns:
        print(words.NO_TURNS)
        return None
    print(f"{words.extent(found)}\n  {words.moved(found)}")
    for rows in (mean_rows(found), over_turns_rows(over), drift_rows(drift)):
        print()
        for row in rows:
            print("  " + " | ".join(f"{name} {value}" for name, value in row.items()))
    if reasons := missing(found, over, drift):
        print(f"\n  {reasons}")
    print(f"\n  {words.over_turns_answer(over)}")
    print(f"  {words.drift_answer(drift)} {words.interval_beside(drift)}")
    return None


def _turn(given: str, turns: Sequence[str]) -> str:
    """A turn that was asked for, by its name: 2 is t2, as in a study's table."""
    name = given if given in (BEGIN, END) else turn_of(given)
    if name is None or name not in (BEGIN, END, *turns):
        raise StoreError(
            f"No response has turn {given!r}.",
            expected=f"first, last or one of {', '.join(turns) or 'none'}.",
            remedy="choose one of these for --from and --to.",
        )
    return name


COMMANDS = (Command("turns", "Follow conversations from turn to turn.", _arguments, _turns),)
