"""The command that has a study's responses scored by a language model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Never

from tqdm import tqdm

from backend.asking.answers import answers_path, read_answers
from backend.asking.asking import AT_ONCE
from backend.asking.endpoint import KEY_VARIABLE, Endpoint
from backend.asking.forecast import BY_CHARACTERS, Price, forecast
from backend.asking.question import Question
from backend.cli.command import Command
from backend.cli.diagnose import print_diagnoses
from backend.cli.extract import extracted
from backend.errors import ModelNotFound
from backend.judging.judging import Judged, Judging, judge, plan
from backend.judging.rubric import read_rubric, rubric_of_study
from backend.judging.scales import SCALES
from backend.judging.source import study_to_judge
from backend.runs.requests import parse_layers
from backend.settings import DEFAULT_LAYERS, Settings
from backend.store.run import open_run
from backend.types import ExtractionRequest, Progress
from backend.views.diagnosis.compute import diagnose_run


def endpoint_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The options of a command that asks a model behind an endpoint.

    Args:
        parser: of the command.
        required: whether it cannot do without.
    """
    parser.add_argument(
        "--endpoint",
        required=required,
        metavar="URL",
        help="base address of an OpenAI-compatible interface, such as http://localhost:8000/v1; "
        f"its key is taken from {KEY_VARIABLE}",
    )
    parser.add_argument("--model", required=required, help="name of the model there")
    parser.add_argument(
        "--at-once", type=_positive, default=AT_ONCE, help="requests in flight (%(default)s)"
    )
    parser.add_argument(
        "--retries", type=int, default=8, help="of a request that fails (%(default)s)"
    )


def endpoint_of(options: argparse.Namespace) -> Endpoint:
    """The endpoint that the options name.

    Raises:
        EndpointError: they name none that can be asked.
    """
    return Endpoint(options.endpoint, options.model, retries=max(0, options.retries))


def _say_forecast(
    settings: Settings,
    endpoint: Endpoint,
    questions: list[Question],
    options: argparse.Namespace,
) -> None:
    """Say what asking will take: on stdout where only that is wanted, else on stderr.

    Raises:
        ModelError: the tokenizer is not on this machine.
    """
    # Imported here: only a judging needs it.
    from backend.views.new_study.words import forecast_sentence

    count = _counter(settings, options.tokenizer) if options.tokenizer else None
    counted = f"by the tokenizer of {options.tokenizer}" if count else BY_CHARACTERS
    answered = read_answers(settings, endpoint)
    told = forecast(questions, answered, options.at_once, count, counted)
    print(
        forecast_sentence(told, _price_of(options), "--price-in and --price-out"),
        file=sys.stdout if options.forecast else sys.stderr,
    )


def _price_of(options: argparse.Namespace) -> Price | None:
    """What the options say of prices; None where they do not say both."""
    if options.price_in is None or options.price_out is None:
        return None
    return Price(options.price_in, options.price_out)


@contextmanager
def asking_bar() -> Iterator[Callable[[Progress], None]]:
    """Shows on stderr how many answers there are, how fast they come and the time that is left."""
    bar: tqdm[Never] = tqdm(unit="answer", file=sys.stderr)

    def show(progress: Progress) -> None:
        if bar.total != progress.total:
            bar.total = progress.total
            bar.initial = bar.n = progress.done
        bar.update(progress.done - bar.n)
        bar.refresh()

    with bar:
        try:
            yield show
        except KeyboardInterrupt:
            bar.write("Every answer so far is kept: the same command goes on.", file=sys.stderr)
            raise


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study", help="name or name@hash of an imported study, or a folder with responses"
    )
    endpoint_arguments(parser)
    parser.add_argument("--price-in", type=_price, help="money for a million tokens asked")
    parser.add_argument("--price-out", type=_price, help="money for a million tokens answered")
    parser.add_argument(
        "--tokenizer",
        metavar="MODEL",
        help="count the forecast's tokens with this model's tokenizer, a preset or a local folder "
        "(default: 4 characters a token)",
    )
    parser.add_argument(
        "--forecast", action="store_true", help="say what it would take, and ask nothing"
    )
    parser.add_argument(
        "--rubric",
        type=Path,
        metavar="FILE",
        help="Markdown with a heading for each trait, or a trait of persona_vectors (JSON with "
        "eval_prompt); default: the study's descriptions",
    )
    parser.add_argument(
        "--scale",
        choices=tuple(SCALES),
        default="0-10",
        help="0-10 as the judge answers, or 0 to 100 by the probabilities of its score tokens "
        "(default: %(default)s)",
    )
    parser.add_argument("--trait", action="append", help="may be repeated (default: all)")
    parser.add_argument("--repeats", type=int, default=1, help="scores of each response (1)")
    parser.add_argument(
        "--temperature", type=float, help="of the judge (default: 0, or 1 with --repeats)"
    )
    parser.add_argument(
        "--keep-scores",
        action="store_true",
        help="keep the scores that are there; the judge's stand beside them as further scores",
    )
    parser.add_argument("--no-coherence", action="store_true", help="do not ask coherence")
    parser.add_argument(
        "--least-coherence", type=float, metavar="SCORE", help="leave less coherent ones unscored"
    )
    parser.add_argument(
        "--answer-tokens",
        type=_positive,
        default=32,
        help="longest answer as text; thousands for a judge that thinks first (%(default)s)",
    )
    parser.add_argument(
        "--extract",
        metavar="MODEL",
        help="extract the revision with this model then, and say why its traits fail",
    )
    parser.add_argument("--layers", default=DEFAULT_LAYERS, help="of --extract (%(default)s)")


def _judge(settings: Settings, options: argparse.Namespace) -> int:
    layers = parse_layers(options.layers)
    study = study_to_judge(settings, options.study)
    repeated = options.repeats > 1
    temperature = options.temperature
    judging = Judging(
        endpoint=endpoint_of(options),
        rubric=(
            rubric_of_study(study) if options.rubric is None else read_rubric(options.rubric, study)
        ),
        scale=SCALES[options.scale],
        traits=tuple(dict.fromkeys(options.trait or ())),
        repeats=options.repeats,
        temperature=float(repeated) if temperature is None else temperature,
        coherence=not options.no_coherence,
        least_coherence=options.least_coherence,
        keep=options.keep_scores,
        answer_tokens=options.answer_tokens,
    )
    questions = [one.question for one in plan(study, judging)]
    _say_forecast(settings, judging.endpoint, questions, options)
    if options.forecast:
        return 0
    with asking_bar() as show:
        ref, judged = judge(settings, study, judging, show, options.at_once)
    for line in _summary(judged, judging, _price_of(options)):
        print(line, file=sys.stderr)
    print(f"answers: {answers_path(settings, judging.endpoint)}", file=sys.stderr)
    print(ref.key)
    if options.extract is not None:
        run_id = extracted(settings, ExtractionRequest(ref.key, options.extract, layers))
        print(run_id)
        with open_run(settings, run_id) as run:
            print_diagnoses(diagnose_run(run, "default", None, None, settings.thresholds))
    return 0


def _summary(judged: Judged, judging: Judging, price: Price | None) -> Iterator[str]:
    yield f"{judged.scored} of {judged.asked} responses x traits scored"
    for why, count in sorted(judged.missing.items()):
        yield f"without a score: {count} answers, {why}"
    if judged.coherence:
        half = judging.scale.high / 2
        below = sum(score < half for score in judged.coherence)
        yield (
            f"coherence of {len(judged.coherence)} responses: mean {fmean(judged.coherence):.3g}, "
            f"{below} below {half:g}"
        )
    if judged.tokens is not None:
        cost = "" if price is None else f", cost {price.of(*judged.tokens):.2f}"
        yield f"tokens: {judged.tokens[0]:,} in, {judged.tokens[1]:,} out{cost}"


def _counter(settings: Settings, model: str) -> Callable[[str], int]:
    # Imported here: only this needs transformers, which takes seconds.
    from backend.models.load import load_tokenizer
    from backend.models.on_disk import model_folder

    folder = model_folder(model, settings)
    if folder is None or not folder.exists():
        raise ModelNotFound(
            f"The tokenizer of {model} is not on this machine.",
            expected="a preset or model that was extracted with here, or a local folder.",
            remedy="leave --tokenizer out to count 4 characters as a token.",
        )
    tokenizer = load_tokenizer(folder, model)
    return lambda text: len(tokenizer(text).input_ids)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def _price(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError("0 or more")
    return number


COMMANDS = (Command("judge", "Have a study's responses scored by a model.", _arguments, _judge),)
