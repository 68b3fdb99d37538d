"""A study of one trait, from a sentence: written by a model, or a template to fill in by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.asking.question import Answer, Question
from backend.errors import EndpointError, SteerscopeError
from backend.names import name_problem
from backend.studies.importer import checked_name
from backend.studies.prompts import LEAST_PER_POLE
from backend.studies.tables import text_problem
from backend.types import POLES, Message, Pole, Prompt, Response, Study
from backend.writing.wording import (
    GRADES,
    different,
    graded_chat,
    pole_chat,
    questions_request,
    read_list,
    read_poles,
    rubric_request,
)

# Asks questions and gives back the answers by their keys.
Ask = Callable[[Sequence[Question]], Mapping[str, Answer]]
# Times that a list is asked for, with another seed, until it is long enough.
_ROUNDS = 5
# Of an answer: for each question of a list, and for the two lines of a rubric.
_QUESTION_TOKENS = 40
_RUBRIC_TOKENS = 200
MOST_PAIRS, MOST_QUESTIONS, MOST_SAMPLES = 500, 500, 100


@dataclass(frozen=True)
class Wanted:
    """What is to be written.

    Attributes:
        name: of the study.
        trait: its name.
        meaning: the trait in a sentence.
        pairs: pairs of a high and a low prompt, each on a question of its own.
        questions: questions that are responded to, others than those of the prompts.
        samples: responses to each of them.
        temperature: of the answers.
        answer_tokens: longest prompt or response.
    """

    name: str
    trait: str
    meaning: str
    pairs: int = 20
    questions: int = 20
    samples: int = 4
    temperature: float = 1.0
    answer_tokens: int = 200

    def __post_init__(self) -> None:
        checked_name(self.name)
        problem = name_problem("trait", self.trait) if self.trait.strip() else None
        if not self.trait.strip() or problem is not None:
            raise SteerscopeError(
                f"{self.trait!r} cannot name a trait.",
                expected="a short name such as warmth.",
                remedy="correct the name of the trait (--trait).",
            )
        if not self.meaning.strip():
            raise SteerscopeError(
                "Nothing says what the trait means.",
                expected="a sentence such as: names and stays with what the person feels.",
                remedy="write the trait in a sentence (--means).",
            )
        counts = {
            "pairs": (self.pairs, LEAST_PER_POLE, MOST_PAIRS),
            "samples": (self.samples, 1, MOST_SAMPLES),
            "questions": (self.questions, 2, MOST_QUESTIONS),
        }
        for what, (count, least, most) in counts.items():
            if not least <= count <= most:
                raise SteerscopeError(
                    f"{count} {what} cannot be written.",
                    expected=f"{least} to {most}.",
                    remedy=f"choose another number (--{what}).",
                )


@dataclass(frozen=True)
class Draft:
    """A study and what goes with it.

    Attributes:
        study: its responses have no scores.
        rubric: Markdown, as ``judge --rubric`` reads it.
        notes: what its author should know, such as answers that were empty.
    """

    study: Study
    rubric: str
    notes: tuple[str, ...]


def template(wanted: Wanted) -> Draft:
    """A study to fill in by hand: every prompt says what to write in its place.

    Args:
        wanted: ``questions`` and ``samples`` do not count, as there are no responses.
    """
    prompts = []
    for number in range(1, wanted.pairs + 1):
        question = f"Write question {number} here."
        for pole, what in zip(POLES, ("shows", "shows the opposite of"), strict=True):
            text = f"Write an answer here that {what} {wanted.trait} ({number})."
            chat = pole_chat(wanted.meaning, pole, question)
            prompts.append(Prompt(wanted.trait, pole, text, pair=f"q{number}", messages=chat))
    rubric = _rubric(
        wanted, {"high": "write what it looks like", "low": "write what it looks like"}
    )
    provenance = "A template: its texts are to be written by hand."
    note = (
        "There are no responses, so no r: write responses.jsonl (docs/studies.md), then judge them."
    )
    return Draft(_study(wanted, prompts, [], provenance), rubric, (note,))


def written(wanted: Wanted, ask: Ask, respond: Ask, writer: str, responder: str) -> Draft:
    """A study whose texts are a model's.

    Poles are answers to the same question under opposite system messages, as persona_vectors makes
    them; responses are answers to other questions, in turn under no system message and under three
    that ask for a little, for much and for the opposite of the trait.

    Args:
        wanted: what is to be written.
        ask: the model that writes questions, rubric and prompts.
        respond: the model that writes the responses.
        writer: name of the first.
        responder: name of the second.

    Raises:
        EndpointError: too few questions or pairs could be read from the answers.
    """
    every = write_questions(wanted, wanted.pairs + wanted.questions, ask)
    poles = read_rubric_poles(wanted, ask)
    notes = [] if poles else ["The rubric is the sentence alone: no High and Low could be read."]
    # In turn, so that both kinds are alike however the list changes towards its end.
    for_prompts, for_responses = _parted(every, wanted.pairs, wanted.questions)
    prompts = write_pairs(wanted, for_prompts, ask)
    lost = len(for_prompts) - len(prompts) // 2
    if lost:
        notes.append(
            f"{lost} pairs are left out: an answer is empty or cannot be kept, or both are one."
        )
    responses = _responses(wanted, for_responses, respond, responder)
    lost = len(for_responses) * wanted.samples - len(responses)
    if lost:
        notes.append(f"{lost} responses are left out: they are empty or cannot be kept.")
    provenance = (
        f"Questions, rubric and prompts were written by the model {writer}, responses by "
        f"{responder}, at temperature {wanted.temperature:g}; prompts are answers under opposite "
        "system messages, and responses in turn under none and under ones that ask for a little, "
        "for much and for the opposite of the trait, so their scores differ by design."
    )
    return Draft(
        _study(wanted, prompts, responses, provenance), _rubric(wanted, poles), tuple(notes)
    )


def read_rubric_poles(wanted: Wanted, ask: Ask) -> dict[str, str]:
    """What the model says of the two ends of the trait; empty where it cannot be read.

    Args:
        wanted: the trait.
        ask: the model.
    """
    for seed in range(_ROUNDS):
        question = Question(
            (Message("user", rubric_request(wanted.trait, wanted.meaning)),),
            wanted.temperature,
            seed,
            _RUBRIC_TOKENS,
            about={"study": wanted.name, "for": "rubric"},
        )
        poles = read_poles(ask([question])[question.key].text)
        if poles:
            return poles
    return {}


def write_questions(wanted: Wanted, needed: int, ask: Ask) -> list[str]:
    """Messages of users on which the trait can show.

    Args:
        wanted: the trait.
        needed: how many.
        ask: the model.

    Raises:
        EndpointError: too few could be read from its answers.
    """
    found: list[str] = []
    for seed in range(_ROUNDS):
        question = Question(
            (Message("user", questions_request(wanted.trait, wanted.meaning, needed)),),
            wanted.temperature,
            seed,
            _QUESTION_TOKENS * needed,
            about={"study": wanted.name, "for": "questions"},
        )
        found = different([*found, *read_list(ask([question])[question.key].text)])
        if len(found) >= needed:
            return found[:needed]
    raise _too_few("questions", len(found), needed)


def write_pairs(
    wanted: Wanted, questions: Sequence[str], ask: Ask, prompt_set: str = "default"
) -> list[Prompt]:
    """Answers to the same questions under opposite system messages, as pairs.

    Args:
        wanted: the trait.
        questions: one a pair.
        ask: the model.
        prompt_set: name of their set.

    Returns:
        The prompts of all pairs of which both answers can be kept and differ.

    Raises:
        EndpointError: these are too few.
    """
    chats = _pole_chats(wanted, questions)
    asked = {place: _answering(wanted, chat) for place, chat in chats.items()}
    answers = ask(list(asked.values()))
    texts = {place: _text(answers[question.key]) for place, question in asked.items()}
    prompts = [
        Prompt(wanted.trait, pole, texts[number, pole], prompt_set, f"q{number}", chat)
        for (number, pole), chat in chats.items()
        if all(texts[number, each] for each in POLES)
        and texts[number, "high"] != texts[number, "low"]
    ]
    if len(prompts) < 2 * LEAST_PER_POLE:
        raise _too_few("pairs of answers that differ", len(prompts) // 2, LEAST_PER_POLE)
    return prompts


def _parted(texts: Sequence[str], first: int, second: int) -> tuple[list[str], list[str]]:
    """Texts in two kinds, spread evenly over their order."""
    total = first + second
    mine = [(place + 1) * first // total > place * first // total for place in range(total)]
    kinds = list(zip(texts, mine, strict=True))
    return [t for t, is_first in kinds if is_first], [t for t, is_first in kinds if not is_first]


_Chats = dict[tuple[int, Pole], tuple[Message, ...]]
_Sampled = tuple[int, int]


def expected(wanted: Wanted) -> tuple[list[Question], list[Question]]:
    """What will be asked, for a forecast: of the writer, and of the responder.

    Args:
        wanted: the study. Its questions are not written yet: each counts as long as it may be in
            the list. A list that comes out too short is asked for again, which is not counted.
    """
    count = wanted.pairs + wanted.questions
    every = [f"{number:04d}".rjust(4 * _QUESTION_TOKENS, "x") for number in range(count)]
    lists = [
        (questions_request(wanted.trait, wanted.meaning, count), _QUESTION_TOKENS * count),
        (rubric_request(wanted.trait, wanted.meaning), _RUBRIC_TOKENS),
    ]
    first = [
        Question((Message("user", text),), wanted.temperature, 0, most) for text, most in lists
    ]
    poles = [_answering(wanted, c) for c in _pole_chats(wanted, every[: wanted.pairs]).values()]
    _, asked = _response_chats(wanted, every[wanted.pairs :])
    return [*first, *poles], list(asked.values())


def expected_set(wanted: Wanted) -> list[Question]:
    """What will be asked of the writer of one prompt set of one trait; see :func:`expected`.

    Args:
        wanted: the trait and the pairs.
    """
    first, poles = expected(wanted)[0][0], expected(wanted)[0][2:]
    return [first, *poles]


def _pole_chats(wanted: Wanted, questions: Sequence[str]) -> _Chats:
    """Number of a question and pole -> the chat that is answered."""
    return {
        (number, pole): pole_chat(wanted.meaning, pole, question)
        for number, question in enumerate(questions, start=1)
        for pole in POLES
    }


def _response_chats(
    wanted: Wanted, questions: Sequence[str]
) -> tuple[dict[_Sampled, tuple[Message, ...]], dict[_Sampled, Question]]:
    """Number of a question and sample -> the chat before the response, and what is asked."""
    chats = {
        # In turn over all responses, so that few samples of a question do not leave grades out.
        (number, sample): graded_chat(
            wanted.meaning, (number - 1) * wanted.samples + sample, question
        )
        for number, question in enumerate(questions, start=1)
        for sample in range(wanted.samples)
    }
    # A grade comes again to a question after as many samples as there are grades, then with
    # another seed.
    asked = {
        (number, sample): _answering(wanted, chat, sample // len(GRADES))
        for (number, sample), chat in chats.items()
    }
    return chats, asked


def _responses(
    wanted: Wanted, questions: Sequence[str], respond: Ask, responder: str
) -> list[Response]:
    chats, asked = _response_chats(wanted, questions)
    answers = respond(list(asked.values()))
    return [
        Response(
            scenario=f"r{number}-{sample + 1}",
            text=text,
            responder=responder,
            messages=chats[number, sample],
            group=f"r{number}",
        )
        for (number, sample), question in asked.items()
        if (text := _text(answers[question.key]))
    ]


def _text(answer: Answer) -> str:
    """What a study can keep of an answer; empty for nothing."""
    text = answer.text.strip()
    return "" if not text or text_problem(text) is not None else text


def _answering(wanted: Wanted, chat: tuple[Message, ...], seed: int = 0) -> Question:
    return Question(
        chat,
        wanted.temperature,
        seed,
        wanted.answer_tokens,
        about={"study": wanted.name, "for": "answer"},
    )


def _study(
    wanted: Wanted, prompts: Sequence[Prompt], responses: Sequence[Response], provenance: str
) -> Study:
    return Study(
        name=wanted.name,
        title=f"{wanted.trait.replace('_', ' ')}: {wanted.meaning}",
        description="",
        licence="",
        provenance=provenance,
        score_range=(0.0, 10.0),
        traits={wanted.trait: wanted.meaning},
        prompts=tuple(prompts),
        responses=tuple(responses),
    )


def rubric_of_traits(traits: Mapping[str, str]) -> str:
    """A rubric that says of each trait what its study says.

    Args:
        traits: name -> description; those without one are left out.
    """
    return "\n".join(f"# {trait}\n\n{text}\n" for trait, text in traits.items() if text.strip())


def _rubric(wanted: Wanted, poles: Mapping[str, str]) -> str:
    lines = [f"# {wanted.trait}", "", wanted.meaning]
    lines += [f"{pole.capitalize()}: {poles[pole]}" for pole in POLES if pole in poles]
    return "\n".join(lines) + "\n"


def _too_few(what: str, found: int, needed: int) -> EndpointError:
    return EndpointError(
        f"The model wrote {found} {what}, and {needed} are needed.",
        expected="a numbered list, or answers that are texts.",
        remedy="use a larger model, ask for fewer (--pairs, --questions), or write by hand from a "
        "template (leave --model out).",
    )
