"""Ask many questions, several at once, and keep every answer as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice

from backend.asking.answers import Answers, open_answers
from backend.asking.endpoint import Connection, Endpoint, connected
from backend.asking.question import Answer, Question, unasked
from backend.errors import SteerscopeError
from backend.settings import Settings
from backend.types import Progress

AT_ONCE = 8
# The stage while answers come.
ASKING = "asking"


def ask_all(
    settings: Settings,
    endpoint: Endpoint,
    questions: Sequence[Question],
    report: Callable[[Progress], None],
    *,
    at_once: int = AT_ONCE,
    check: Callable[[Answer], None] = lambda _: None,
) -> dict[str, Answer]:
    """The answers to all questions; those that are kept from before are not asked again.

    Args:
        settings: where answers are kept.
        endpoint: who answers.
        questions: may repeat each other.
        report: told of the progress after every answer.
        at_once: requests in flight.
        check: sees every new answer, after it is kept; what it raises stops the asking.

    Returns:
        key -> answer, of these questions.

    Raises:
        EndpointError: the endpoint cannot be asked; what was answered is kept.
        NoRoom, UnreadableFile: of the file of answers.
    """
    with open_answers(settings, endpoint, report) as answers, connected(endpoint) as connection:
        todo = unasked(questions, answers.answered)
        total = len({question.key for question in questions})
        done = total - len(todo)
        report(Progress(ASKING, done, total))
        for answer in _answered(connection, answers, todo, at_once):
            check(answer)
            done += 1
            report(Progress(ASKING, done, total))
        return {question.key: answers.answered[question.key] for question in questions}


def _answered(
    connection: Connection, answers: Answers, todo: Sequence[Question], at_once: int
) -> Iterator[Answer]:
    """Each answer once it is kept. Whatever ends this, what is in flight is waited for and kept:
    it is paid for."""
    coming = iter(todo)
    with ThreadPoolExecutor(at_once) as pool:
        waiting: dict[Future[Answer], Question] = {}
        try:
            for question in islice(coming, at_once):
                waiting[pool.submit(connection.ask, question)] = question
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    question = waiting.pop(future)
                    answer = future.result()
                    answers.add(question, answer)
                    for follower in islice(coming, 1):
                        waiting[pool.submit(connection.ask, follower)] = follower
                    yield answer
        finally:
            for future, question in waiting.items():
                if not future.cancel():
                    with suppress(SteerscopeError):
                        answers.add(question, future.result())
