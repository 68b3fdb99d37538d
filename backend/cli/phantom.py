"""The command that makes a phantom: a study and runs with known planted causes."""

from __future__ import annotations

import argparse
import sys

from backend.cli.command import Command
from backend.errors import PhantomError
from backend.phantom.causes import CAUSES
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.phantom import Phantom
from backend.phantom.plan import plan_of
from backend.phantom.published.phantom import PublishedPhantom
from backend.settings import Settings

SIZES = {
    "models": 3,
    "traits": 8,
    "layers": 12,
    "scenarios": 500,
    "responders": 1,
    "turns": 2,
    "repeated": 0,
    "prompts": 20,
    "width": 1024,
}
MEANING = {
    "width": "coordinates of an activation",
    "prompts": "number of prompts per pole and trait",
    "responders": "how many respond in every scenario",
    "turns": "scored responses per scenario and responder: 1 for levels, 2 or more for drifts",
    "repeated": "number of scenarios whose responses the judge scores twice",
}

PRESET = "published"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        choices=(PRESET,),
        help="the published study's 24 cells with their r and geometry, instead of --cause",
    )
    parser.add_argument(
        "--cause",
        action="append",
        default=[],
        metavar="C",
        help="what to plant; repeat it to plant several in the same cells: "
        + ", ".join(cause.name for cause in CAUSES),
    )
    parser.add_argument("--strength", type=float, default=1.0, help="0 to 3 (default: 1)")
    for name, size in SIZES.items():
        meaning = MEANING.get(name, f"number of {name}")
        parser.add_argument(f"--{name}", type=int, help=f"{meaning} (default: {size})")
    parser.add_argument("--seed", type=int, help="of everything random; needed without --preset")
    parser.add_argument("--name", help="name of the study; needed without --preset")


def _phantom_of(options: argparse.Namespace) -> Phantom:
    if options.preset:
        chosen = {name: getattr(options, name) for name in ("name", "seed")}
        return PublishedPhantom(**{name: value for name, value in chosen.items() if value})
    missing = [name for name in ("cause", "seed", "name") if not getattr(options, name)]
    if missing:
        raise PhantomError(
            f"--{' and --'.join(missing)} is missing.",
            expected="--cause, --seed and --name, or --preset published.",
            remedy="add them; --help lists the causes.",
        )
    given = {name: getattr(options, name) for name in SIZES}
    sizes = {name: size for name, size in given.items() if size is not None}
    return DrawnPhantom(
        plan_of(options.name, options.seed, options.cause, options.strength, **sizes)
    )


def _phantom(settings: Settings, options: argparse.Namespace) -> int:
    from backend.runs.phantom_run import publish_phantom

    ref, run_ids = publish_phantom(
        settings, _phantom_of(options), lambda line: print(line, file=sys.stderr)
    )
    print(ref.key)
    print("\n".join(run_ids))
    return 0


COMMANDS = (
    Command("phantom", "Simulate a study and runs with known causes.", _arguments, _phantom),
)
