"""Score a study's responses, and the revision of the study that has the scores."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from backend.asking.asking import AT_ONCE, ask_all
from backend.asking.endpoint import Endpoint
from backend.asking.question import Answer, Question
from backend.errors import JudgeError
from backend.judging.rubric import COHERENCE, Rubric, check_traits, request_of
from backend.judging.scales import JudgeScale, ReadAnswer
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.study import publish_study
from backend.studies.faults import nearest
from backend.studies.hashing import content_hash
from backend.types import Message, Progress, Response, Study, StudyRef

# Answers of which none has a score, after which nothing more is asked and paid for.
_HOPELESS = 30
# A first token, and one more that tells whether the number goes on in it.
_SCORE_TOKENS = 2


@dataclass(frozen=True)
class Judging:
    """How responses are scored.

    Attributes:
        endpoint: the judge.
        rubric: what it is told of each trait.
        scale: how it says its scores.
        traits: those that are judged; empty for all of the study.
        repeats: scores of each response and trait.
        temperature: of the judge's sampling.
        coherence: whether coherence is asked beside the traits.
        least_coherence: responses that are less coherent are left without scores; None for none.
        keep: whether the scores that are there stay, with those of the judge as further scores
            beside them; else they are replaced.
        answer_tokens: longest answer, of a scale that reads text.
    """

    endpoint: Endpoint
    rubric: Rubric
    scale: JudgeScale
    traits: tuple[str, ...] = ()
    repeats: int = 1
    temperature: float = 0.0
    coherence: bool = True
    least_coherence: float | None = None
    keep: bool = False
    answer_tokens: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.repeats <= 100:
            raise _no(f"{self.repeats} repeats", "1 to 100 scores of each response.", "--repeats")
        if not 0.0 <= self.temperature <= 2.0:
            raise _no(f"Temperature {self.temperature:g}", "0 to 2.", "--temperature")
        if self.repeats > 1 and self.scale.probabilities:
            raise JudgeError(
                "Probabilities are the same each time a response is scored.",
                expected="repeats of scores that the judge answers with as text.",
                remedy="leave --repeats out, or use --scale 0-10.",
            )
        if self.repeats > 1 and self.temperature == 0.0:
            raise JudgeError(
                "At temperature 0 every repeat is the same score, which says nothing of how "
                "reliable the judge is.",
                expected="a temperature above 0 for repeated scores.",
                remedy="use --temperature 1.",
            )
        if self.rubric.templates and not self.scale.probabilities:
            raise JudgeError(
                f"{self.rubric.name} asks for scores from 0 to 100.",
                expected="--scale logprobs for an eval_prompt of persona_vectors.",
                remedy="use that scale, or write a rubric as Markdown.",
            )
        if self.least_coherence is not None and not self.coherence:
            raise JudgeError(
                "A least coherence was given, and coherence is not asked.",
                expected="both or neither.",
                remedy="leave --no-coherence or --least-coherence out.",
            )


@dataclass(frozen=True)
class Asked:
    """One question about one response.

    Attributes:
        number: of the response in the study.
        trait: of the study, or coherence.
        question: as it is sent.
    """

    number: int
    trait: str
    question: Question


@dataclass(frozen=True)
class Judged:
    """What came of a judging.

    Attributes:
        study: the revision.
        scored: (response, trait) pairs with a score.
        asked: pairs that were judged.
        missing: reason -> answers without a score.
        coherence: of each response that has one.
        tokens: of all questions and of all answers, as the endpoint counts them; None where it does
            not say.
    """

    study: Study
    scored: int
    asked: int
    missing: Mapping[str, int]
    coherence: tuple[float, ...]
    tokens: tuple[int, int] | None


def plan(study: Study, judging: Judging) -> tuple[Asked, ...]:
    """Every question, response by response.

    Args:
        study: with responses.
        judging: how.

    Raises:
        JudgeError: there is nothing to judge, a trait is none of the study, nothing says what a
            trait looks like, or scores of another range would stand beside the judge's.
    """
    if not study.responses:
        raise JudgeError(
            f"Study {study.name!r} has no responses to judge.",
            expected="a study with responses.",
            remedy="add responses.jsonl to its folder (docs/studies.md) and import it again.",
        )
    unknown = [trait for trait in judging.traits if trait not in study.traits]
    if unknown:
        raise JudgeError(
            f"The study has no trait {unknown[0]!r}. {nearest(unknown[0], study.traits)}",
            expected="traits of the study.",
            remedy="correct --trait.",
        )
    traits = judging.traits or tuple(study.traits)
    check_traits(judging.rubric, traits)
    if COHERENCE in study.traits and judging.coherence:
        raise JudgeError(
            "The study has a trait that is called coherence.",
            expected="coherence beside the traits.",
            remedy="use --no-coherence: it is judged as a trait.",
        )
    _check_range(study, judging, traits)
    wanted = [(trait, judging.repeats) for trait in traits]
    wanted += [(COHERENCE, 1)] if judging.coherence else []
    return tuple(
        Asked(number, trait, _question(study, response, trait, seed, judging))
        for number, response in enumerate(study.responses)
        for trait, repeats in wanted
        for seed in range(repeats)
    )


def judge(
    settings: Settings,
    study: Study,
    judging: Judging,
    report: Callable[[Progress], None],
    at_once: int = AT_ONCE,
) -> tuple[StudyRef, Judged]:
    """Score a study's responses and publish the revision that has the scores.

    Answers that are kept from before, of this study or another, are not asked for again, so a
    second call goes on where a first one ended.

    Args:
        settings: where the store is.
        study: stays as it is.
        judging: how.
        report: told of the progress.
        at_once: requests in flight.

    Raises:
        JudgeError: nothing can be scored in this way.
        EndpointError: the judge cannot be asked, or not now; what was answered is kept.
        ReadOnly, NotAllowed: nothing may be changed here, or not by who asks.
        NoRoom, UnreadableFile: of the files that are written.
    """
    asked = plan(study, judging)
    changing(settings, "judge study", study.name)
    answers = ask_all(
        settings,
        judging.endpoint,
        [one.question for one in asked],
        report,
        at_once=at_once,
        check=_Hope(judging.scale),
    )
    judged = with_scores(study, judging, asked, answers)
    return publish_study(settings, judged.study, content_hash(judged.study)), judged


def with_scores(
    study: Study, judging: Judging, asked: Sequence[Asked], answers: Mapping[str, Answer]
) -> Judged:
    """The revision with the scores that the answers hold.

    Args:
        study: stays as it is.
        judging: how it was judged.
        asked: from :func:`plan`.
        answers: key of a question -> answer, of all of them.

    Raises:
        JudgeError: no answer holds a score.
    """
    read: dict[tuple[int, str], list[ReadAnswer]] = {}
    for one in asked:
        reading = judging.scale.read(answers[one.question.key])
        read.setdefault((one.number, one.trait), []).append(reading)
    coherence = {
        number: readings[0].score
        for (number, trait), readings in read.items()
        if trait == COHERENCE and trait not in study.traits
    }
    missing: Counter[str] = Counter()
    found: dict[int, dict[str, tuple[float, ...]]] = {}
    pairs = 0
    for (number, trait), readings in read.items():
        if trait not in study.traits:
            continue
        pairs += 1
        why = _incoherent(coherence.get(number), judging)
        if why:
            missing[why] += len(readings)
            continue
        missing.update(reading.missing for reading in readings if reading.missing)
        scores = tuple(reading.score for reading in readings if reading.score is not None)
        if scores:
            found.setdefault(number, {})[trait] = scores
    if not found:
        listed = "; ".join(f"{count} times {why}" for why, count in missing.most_common())
        raise JudgeError(
            f"No response has a score: {listed}.",
            expected="answers that hold a score.",
            remedy="look at the answers in the cache folder, and change the rubric, the scale, "
            "--answer-tokens or the judge.",
        )
    traits = judging.traits or tuple(study.traits)
    responses = tuple(
        _scored(response, found.get(number, {}), traits, judging.keep)
        for number, response in enumerate(study.responses)
    )
    used = [answers[key] for key in dict.fromkeys(one.question.key for one in asked)]
    known = tuple(score for score in coherence.values() if score is not None)
    scored = sum(map(len, found.values()))
    revised = dataclasses.replace(
        study,
        responses=responses,
        score_range=judging.scale.score_range,
        provenance=f"{_sentence(study.provenance)} "
        + _provenance(study, judging, traits, (scored, pairs), missing, known, used),
    )
    return Judged(revised, scored, pairs, dict(missing), known, _tokens(used))


def _question(
    study: Study, response: Response, trait: str, seed: int, judging: Judging
) -> Question:
    return Question(
        messages=(Message("user", request_of(judging.rubric, trait, response, judging.scale)),),
        temperature=judging.temperature,
        seed=seed,
        most_tokens=_SCORE_TOKENS if judging.scale.probabilities else judging.answer_tokens,
        probabilities=judging.scale.probabilities,
        about={
            "study": study.name,
            "scenario": response.scenario,
            "turn": response.turn,
            "responder": response.responder,
            "trait": trait,
            "repeat": seed + 1,
        },
    )


def _check_range(study: Study, judging: Judging, traits: Sequence[str]) -> None:
    """Scores of one study have one range, and none is recalculated to another."""
    if study.score_range == judging.scale.score_range:
        return
    others = {trait for response in study.responses for trait in response.scores}
    others -= set() if judging.keep else set(traits)
    if others:
        low, high = study.score_range
        raise JudgeError(
            f"Scores of {', '.join(sorted(others))} run from {low:g} to {high:g}, and the judge's "
            f"from 0 to {judging.scale.high:g}.",
            expected="scores of one range in a study.",
            remedy="use the other --scale, or judge every trait anew (without --trait and "
            "--keep-scores).",
        )


def _scored(
    response: Response,
    found: Mapping[str, tuple[float, ...]],
    traits: Sequence[str],
    keep: bool,
) -> Response:
    """The response with the judge's scores of some traits."""
    scores, repeats = dict(response.scores), dict(response.repeats)
    for trait in traits:
        before = repeats.pop(trait, ()) or ((scores[trait],) if trait in scores else ())
        scores.pop(trait, None)
        values = (*(before if keep else ()), *found.get(trait, ()))
        if values:
            scores[trait] = fmean(values)
        if len(values) > 1:
            repeats[trait] = values
    return dataclasses.replace(response, scores=scores, repeats=repeats)


def _incoherent(coherence: float | None, judging: Judging) -> str:
    if judging.least_coherence is None:
        return ""
    if coherence is None:
        return "coherence not known"
    least = judging.least_coherence
    return f"coherence below {least:g}" if coherence < least else ""


def _sentence(text: str) -> str:
    plain = text.rstrip()
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."


def _provenance(
    study: Study,
    judging: Judging,
    traits: Sequence[str],
    counts: tuple[int, int],
    missing: Mapping[str, int],
    coherence: Sequence[float],
    answers: Sequence[Answer],
) -> str:
    """Who scored, with what and when, and what is not scored."""
    scored, pairs = counts
    which = "all traits" if len(traits) == len(study.traits) else ", ".join(traits)
    there = any(trait in response.scores for response in study.responses for trait in traits)
    what = "Scores" if not there else "Further scores" if judging.keep else "New scores"
    date = max((answer.at for answer in answers), default="")[:10]
    times = (
        ""
        if judging.repeats == 1
        else f", {judging.repeats} times each at temperature {judging.temperature:g}"
    )
    rubric = f"rubric {judging.rubric.name} ({judging.rubric.digest})"
    parts = [
        f"{what} of {which} by the model {judging.endpoint.model} at {judging.endpoint.url} on "
        f"{date}: {judging.scale.words}{times}; {rubric}; {scored} of {pairs} scored"
    ]
    if missing:
        listed = ", ".join(f"{why} ({count})" for why, count in sorted(missing.items()))
        parts.append(f"without a score: {listed}")
    if coherence:
        half = judging.scale.high / 2
        below = sum(score < half for score in coherence)
        parts.append(
            f"coherence of {len(coherence)} responses: mean {fmean(coherence):.3g}, {below} below "
            f"{half:g}"
        )
    return f"{'; '.join(parts)}."


def _tokens(answers: Sequence[Answer]) -> tuple[int, int] | None:
    counts = [(one.tokens_in, one.tokens_out) for one in answers]
    known = [(a, b) for a, b in counts if a is not None and b is not None]
    if len(known) < len(counts):
        return None
    return sum(a for a, _ in known), sum(b for _, b in known)


class _Hope:
    """Stops a judging whose first answers all say nothing: the others would cost as much.

    Args:
        scale: reads the answers.
    """

    def __init__(self, scale: JudgeScale) -> None:
        self._scale = scale
        self._missing: Counter[str] = Counter()
        self._some = False

    def __call__(self, answer: Answer) -> None:
        """Look at a new answer."""
        reading = self._scale.read(answer)
        self._some = self._some or reading.score is not None
        if self._some:
            return
        self._missing[reading.missing] += 1
        if self._missing.total() == _HOPELESS:
            listed = "; ".join(f"{n} times {why}" for why, n in self._missing.most_common())
            raise JudgeError(
                f"The first {_HOPELESS} answers hold no score: {listed}. The last was "
                f"{answer.text[:80]!r}.",
                expected="answers that hold a score.",
                remedy="change the rubric, the scale, --answer-tokens or the judge.",
            )


def _no(what: str, expected: str, option: str) -> JudgeError:
    return JudgeError(f"{what} cannot be used.", expected=expected, remedy=f"correct {option}.")
