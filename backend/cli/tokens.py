"""The command that shows responses token by token along vectors of a run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.json_output import to_json
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.runs.directions import DirectionKey, direction_key
from backend.runs.imported_vectors import NamedVector, named_vectors
from backend.runs.requests import parse_layers
from backend.runs.token_view import TokenRequest, TokenText, TokenView, token_view
from backend.runs.vocabulary import VocabularyRequest, vocabulary
from backend.settings import Settings
from backend.store.run import Run, open_run
from backend.turns import turn_of, turn_order
from backend.types import Progress
from backend.views.tokens import words
from backend.views.tokens.compute import (
    LONGEST,
    Role,
    Shares,
    VectorCases,
    first_layer,
    shares,
    steps,
    vector_cases,
)
from backend.views.tokens.says import end_responses, neighbours
from backend.views.tokens.tables import (
    end_rows,
    near_rows,
    neighbour_rows,
    span_rows,
    step_rows,
    token_rows,
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--scenario", help="the responses of this scenario, turn by turn")
    which.add_argument(
        "--says",
        action="store_true",
        help="instead, what the vector says: nearest tokens of the vocabulary, vectors, responses",
    )
    which.add_argument("--response", type=int, nargs="+", help="responses by their number, from 0")
    parser.add_argument("--turn", help="only this turn of the scenario, such as t1, 3 or tN")
    parser.add_argument("--responder", help="whose responses, where several gave some")
    parser.add_argument(
        "--trait", action="append", help="whose vector; twice for two at once (default: the first)"
    )
    parser.add_argument(
        "--vector",
        action="append",
        help="a method of the run, or a vector that was saved or imported; twice for two at once "
        f"(default: {MEAN_DIFFERENCE})",
    )
    parser.add_argument("--layer", type=int, help="shown in the text (default: the trait's best)")
    parser.add_argument("--layers", help="read at these, for --json (default: --layer alone)")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument(
        "--of", choices=list(words.OF), default="projection", help="what the spans contribute to"
    )
    parser.add_argument(
        "--longest",
        type=int,
        default=LONGEST,
        help="tokens of a span at most (default: %(default)s)",
    )
    parser.add_argument("--every", action="store_true", help="print every token too")
    parser.add_argument("--json", action="store_true", help="print JSON, with every token")


def _tokens(settings: Settings, options: argparse.Namespace) -> int:
    if options.longest < 1:
        raise StoreError(
            f"A span of at most {options.longest} tokens holds none.",
            expected="--longest of 1 or more.",
            remedy="leave --longest out for the default.",
        )
    if options.scenario is None and (options.turn is not None or options.responder is not None):
        raise StoreError(
            "--turn and --responder choose among the responses of a scenario, and none was named.",
            expected="--scenario with them.",
            remedy="leave them out, or name the scenario.",
        )
    named = named_vectors(settings)
    with open_run(settings, options.run) as run:
        keys = _keys(run, options, settings)
        layer = options.layer
        if layer is None:
            layer = first_layer([run], named, keys[0], options.prompt_set)
        if options.says:
            return _says(settings, run, named, keys, layer, options)
        layers = {layer, *(parse_layers(options.layers) if options.layers else ())}
        numbers = tuple(options.response) if options.response else _of_scenario(run, options)
    request = TokenRequest(options.run, options.prompt_set, keys, tuple(sorted(layers)), numbers)
    view = token_view(settings, request, _Told())
    with open_run(settings, options.run) as run:
        cases = [vector_cases([run], named, key, options.prompt_set, layer) for key in keys]
    if options.json:
        print(json.dumps(_json(view, cases, layer, options), indent=2, ensure_ascii=False))
    else:
        _print(view, cases, layer, options)
    return 0


def _says(
    settings: Settings,
    run: Run,
    named: Sequence[NamedVector],
    keys: Sequence[DirectionKey],
    layer: int,
    options: argparse.Namespace,
) -> int:
    """What the first vector says."""
    key, prompt_set = keys[0], options.prompt_set
    layers = parse_layers(options.layers) if options.layers else (layer,)
    found = vocabulary(settings, VocabularyRequest(options.run, prompt_set, key, layers), _Told())
    near = neighbours([run], named, key, prompt_set, layer)
    ends = end_responses([run], named, key, prompt_set, layer)
    if options.json:
        parts = {"vocabulary": found.to_values(), "neighbours": to_json(near)}
        print(json.dumps(parts | {"responses": to_json(ends)}, indent=2, ensure_ascii=False))
        return 0
    print(f"{key.title}\n{words.LENS}\n{words.lens_chance(found)}\n{words.LENS_CAVEAT}")
    for one in found.layers:
        print(f"\nlayer {one.layer}")
        _print_rows(near_rows(one), "  ")
    for at, why in found.reasons.items():
        print(f"\nlayer {at}: undefined, {why}")
    print(f"\nlayer {layer}. {words.neighbours_line(near)}")
    _print_rows(neighbour_rows(near.found), "  ")
    print(f"\n{words.ends_line(ends)}")
    for sign, own in (("largest", ends.top), ("smallest", ends.bottom)):
        print(f"  {sign}")
        _print_rows(end_rows(own), "    ")
    return 0


def _json(
    view: TokenView, cases: Sequence[VectorCases], layer: int, options: argparse.Namespace
) -> dict[str, object]:
    parts = []
    for text in view.texts:
        for place, of in enumerate(cases):
            role, own = _share(view, text, place, of, layer, options)
            parts.append(
                {
                    "response_id": text.response_id,
                    "vector": view.request.keys[place].title,
                    "layer": layer,
                    "role": to_json(role),
                    "shares": None
                    if own is None
                    else to_json(own) | {"values": own.values.tolist()},
                }
            )
    return view.to_values() | {"shares": parts}


def _print(
    view: TokenView, cases: Sequence[VectorCases], layer: int, options: argparse.Namespace
) -> None:
    print(words.agreement(view))
    print(words.DEFINED[options.of])
    for text in view.texts:
        print(f"\n{words.response_title(text)}, layer {layer}")
        every = []
        for place, of in enumerate(cases):
            role, own = _share(view, text, place, of, layer, options)
            every.append(own)
            key = view.request.keys[place]
            print(f"  {key.title}: {words.projection_line(view, text, place, layer)}")
            print(f"    {words.role_line(of, role)} {words.caveat(key)}".rstrip())
            if own is not None:
                print(f"    {words.sum_line(own)}")
                _print_rows(span_rows(own), "      ")
        if options.every:
            _print_rows(token_rows(view, text, layer, every), "  ")
    if len(view.texts) > 1:
        for place, key in enumerate(view.request.keys):
            print(f"\n{key.title}, layer {layer}, turn by turn")
            _print_rows(step_rows(steps(view, place, layer)), "  ")


def _share(
    view: TokenView,
    text: TokenText,
    place: int,
    cases: VectorCases,
    layer: int,
    options: argparse.Namespace,
) -> tuple[Role | str, Shares | None]:
    role = cases.role(text.response_id)
    own = None if isinstance(role, str) else role
    return role, shares(view, text, place, layer, options.of, own, options.longest)


def _print_rows(rows: Sequence[dict[str, object]], indent: str) -> None:
    for row in rows:
        print(indent + " | ".join(f"{name} {_value(one)}".strip() for name, one in row.items()))


def _value(value: object) -> str:
    return f"{value:+.4g}" if isinstance(value, float) else str(value)


def _keys(run: Run, options: argparse.Namespace, settings: Settings) -> tuple[DirectionKey, ...]:
    """One or two vectors: traits and vectors side by side, a single one with each of the other."""
    traits = options.trait or [next(iter(run.traits_of_set(options.prompt_set)), "")]
    vectors = options.vector or [MEAN_DIFFERENCE]
    count = max(len(traits), len(vectors))
    if {len(traits), len(vectors)} - {1, count}:
        raise StoreError(
            f"{len(traits)} traits and {len(vectors)} vectors do not go together.",
            expected="as many of each, or one of either.",
            remedy="name --trait or --vector once, or both equally often.",
        )
    named = named_vectors(settings)
    pairs = zip(traits * (count // len(traits)), vectors * (count // len(vectors)), strict=True)
    return tuple(
        direction_key(run, named, trait, vector, options.prompt_set) for trait, vector in pairs
    )


def _of_scenario(run: Run, options: argparse.Namespace) -> tuple[int, ...]:
    """The responses of a scenario, in the order of their turns."""
    every = [place for place in run.response_places if place.scenario == options.scenario]
    who = sorted({place.responder for place in every})
    if not every:
        some = dict.fromkeys(place.scenario for place in run.response_places)
        raise StoreError(
            f"The run has no scenario {options.scenario!r}.",
            expected=f"one of its {len(some)} scenarios, such as {', '.join(list(some)[:5])}.",
            remedy="name one of these, or a response by its number (--response).",
        )
    if options.responder not in who and (options.responder or len(who) > 1):
        raise StoreError(
            f"Scenario {options.scenario!r} has no responder {options.responder!r}."
            if options.responder
            else f"{len(who)} responders answered scenario {options.scenario!r}.",
            expected=f"one of {', '.join(who)}.",
            remedy="name one by --responder.",
        )
    own = [place for place in every if place.responder == (options.responder or who[0])]
    if options.turn is not None:
        turns = [place.turn for place in own if place.turn is not None]
        if not turns:
            raise StoreError(
                f"The responses of scenario {options.scenario!r} have no turns.",
                expected="no --turn.",
                remedy="leave --turn out.",
            )
        own = [place for place in own if place.turn == turn_of(options.turn)]
        if not own:
            raise StoreError(
                f"Scenario {options.scenario!r} has no turn {options.turn!r}.",
                expected=f"one of {', '.join(turns)}.",
                remedy="name one of these, or leave --turn out for the whole conversation.",
            )
    own.sort(key=lambda place: turn_order(place.turn))
    return tuple(place.response_id for place in own)


class _Told:
    """Says on stderr what is being done, each thing once."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            print(progress.stage, file=sys.stderr)
        self._stage = progress.stage


COMMANDS = (Command("tokens", "Show responses token by token along vectors.", _arguments, _tokens),)
