"""The command that begins a study from a trait in a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.asking.asking import ask_all
from backend.asking.local import LocalModel
from backend.asking.question import Answer, Question
from backend.cli.command import Command
from backend.cli.extract import extract_now
from backend.cli.judge import asking_bar, endpoint_arguments, endpoint_of
from backend.errors import SteerscopeError
from backend.judging.source import study_to_judge
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.catalog import run_summary
from backend.store.changes import changing
from backend.store.study import find_study, load_study, publish_study
from backend.studies.hashing import content_hash
from backend.studies.importer import checked_name
from backend.studies.prompts import LEAST_PER_POLE
from backend.writing.new_study import MOST_PAIRS, MOST_SAMPLES, Ask, Wanted, template, written
from backend.writing.prompt_set import with_written_prompts
from backend.writing.responding import left_out, responded


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="an empty folder, or a new one; names the study")
    parser.add_argument("--trait", required=True, help="its name, such as warmth")
    parser.add_argument(
        "--means", required=True, metavar="SENTENCE", help="the trait in a sentence"
    )
    _writer_arguments(parser)
    parser.add_argument(
        "--responder", metavar="MODEL", help="a model on this machine that writes the responses"
    )
    parser.add_argument("--pairs", type=int, default=20, help="of prompts (%(default)s)")
    parser.add_argument(
        "--questions", type=int, default=20, help="that are responded to (%(default)s)"
    )
    parser.add_argument("--samples", type=int, default=4, help="responses to each (%(default)s)")


def _writer_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a command that has a model write texts."""
    endpoint_arguments(parser, required=False)
    parser.add_argument(
        "--local",
        metavar="MODEL",
        help="a model on this machine that writes, instead of one behind an endpoint",
    )
    parser.add_argument("--temperature", type=float, default=1.0, help="(%(default)s)")
    parser.add_argument(
        "--answer-tokens", type=int, default=200, help="longest answer (%(default)s)"
    )


def _check_writer(options: argparse.Namespace) -> None:
    """Refuse options that name half an endpoint, or two models."""
    if bool(options.endpoint) != bool(options.model) or (options.endpoint and options.local):
        raise SteerscopeError(
            "It is not clear which model is to write.",
            expected="--endpoint with --model, or --local.",
            remedy="correct these options.",
        )


def _new(settings: Settings, options: argparse.Namespace) -> int:
    # Imported here: what is wrong with the options is said at once.
    from backend.studies.study_folder import check_empty, write_folder

    wanted = Wanted(
        name=options.folder.resolve().name.lower(),
        trait=options.trait.strip(),
        meaning=" ".join(options.means.split()),
        pairs=options.pairs,
        questions=options.questions,
        samples=options.samples,
        temperature=options.temperature,
        answer_tokens=options.answer_tokens,
    )
    check_empty(options.folder)
    _check_writer(options)
    if not options.endpoint and not options.local:
        draft = template(wanted)
    else:
        changing(settings, "write study", wanted.name)
        print(_forecast(wanted), file=sys.stderr)
        ask, writer = _writer(settings, options)
        respond, responder = (
            _local(LocalModel(settings, options.responder)) if options.responder else (ask, writer)
        )
        draft = written(wanted, ask, respond, writer, responder)
    for note in draft.notes:
        print(f"note: {note}", file=sys.stderr)
    for path in write_folder(draft.study, options.folder, {"rubric.md": draft.rubric}):
        print(path)
    return 0


def _forecast(wanted: Wanted) -> str:
    answers = 2 * wanted.pairs + wanted.questions * wanted.samples
    return (
        f"{answers + 2} requests, of which {answers} have answers of up to "
        f"{wanted.answer_tokens} tokens; more if a list is too short. Answers are kept: the same "
        "command goes on where one ended."
    )


def _respond_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="name or name@hash of an imported study, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder, or a new one")
    _writer_arguments(parser)
    parser.add_argument("--samples", type=_few, default=1, help="responses to each chat (1)")


def _respond(settings: Settings, options: argparse.Namespace) -> int:
    from backend.studies.study_folder import check_empty, write_folder

    name = checked_name(options.out.resolve().name.lower())
    check_empty(options.out)
    _check_writer(options)
    study = study_to_judge(settings, options.study)
    respond, responder = _writer(settings, options)
    changing(settings, "write study", name)
    made, lost = responded(
        study,
        name,
        respond,
        responder,
        samples=options.samples,
        temperature=options.temperature,
        answer_tokens=options.answer_tokens,
    )
    for note in left_out(lost):
        print(f"note: {note}", file=sys.stderr)
    for path in write_folder(made, options.out):
        print(path)
    return 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="name or name@hash of an imported study")
    parser.add_argument("--set", default="written", help="name of the new set (%(default)s)")
    parser.add_argument("--pairs", type=_pairs, default=20, help="of each trait (%(default)s)")
    parser.add_argument(
        "--like",
        metavar="RUN",
        help="extract the revision as this run was extracted; the run's activations are taken",
    )
    _writer_arguments(parser)


def _add(settings: Settings, options: argparse.Namespace) -> int:
    _check_writer(options)
    like = None if options.like is None else run_summary(settings, options.like).record
    ref = find_study(settings, options.study)
    ask, writer = _writer(settings, options)
    changing(settings, "add prompt set", ref.key)
    revised = with_written_prompts(
        load_study(settings, ref),
        options.set,
        options.pairs,
        ask,
        writer,
        temperature=options.temperature,
        answer_tokens=options.answer_tokens,
    )
    made = publish_study(settings, revised, content_hash(revised))
    print(made.key)
    return 0 if like is None else extract_now(settings, request_like(like, made.key))


def _pairs(text: str) -> int:
    number = int(text)
    if not LEAST_PER_POLE <= number <= MOST_PAIRS:
        raise argparse.ArgumentTypeError(f"{LEAST_PER_POLE} to {MOST_PAIRS}")
    return number


def _few(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_SAMPLES:
        raise argparse.ArgumentTypeError(f"1 to {MOST_SAMPLES}")
    return number


def _writer(settings: Settings, options: argparse.Namespace) -> tuple[Ask, str]:
    """The model that the options name, and its name."""
    if options.local:
        return _local(LocalModel(settings, options.local))
    if not options.endpoint:
        raise SteerscopeError(
            "No model is named.",
            expected="--endpoint with --model, or --local.",
            remedy="name the model that is to write.",
        )
    endpoint = endpoint_of(options)

    def ask(questions: Sequence[Question]) -> Mapping[str, Answer]:
        with asking_bar() as show:
            return ask_all(settings, endpoint, questions, show, at_once=options.at_once)

    return ask, endpoint.model


def _local(model: LocalModel) -> tuple[Ask, str]:
    def ask(questions: Sequence[Question]) -> Mapping[str, Answer]:
        with asking_bar() as show:
            return model.ask(questions, show)

    return ask, model.name


COMMANDS = (
    Command("new-study", "Begin a study from a trait in a sentence.", _arguments, _new),
    Command(
        "add-prompts",
        "Have a model write one more prompt set for a study.",
        _add_arguments,
        _add,
    ),
    Command("respond", "Have a model answer the chats of a study.", _respond_arguments, _respond),
)
