"""What a page asks of a worker: to write, to respond, to add prompts, to judge.

Plain JSON there and back; no request holds a key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.asking.writer import Writer, check_writer, endpoint_of
from backend.errors import JudgeError, StudyNotFound, read_back
from backend.judging.judging import Judging, plan
from backend.judging.rubric import rubric_of_study, rubric_of_text
from backend.judging.scales import SCALES
from backend.settings import Settings
from backend.store.study import find_study, load_study
from backend.types import Study
from backend.writing.drafts import RUBRIC, check_free, read_draft
from backend.writing.new_study import Wanted
from backend.writing.prompt_set import check_new_set
from backend.writing.responding import check_responding


@dataclass(frozen=True)
class WriteRequest:
    """Write a new study.

    Attributes:
        wanted: the study.
        writer: writes questions, rubric and prompts.
        responder: writes the responses; None for the writer.
    """

    wanted: Wanted
    writer: Writer
    responder: Writer | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WriteRequest:
        """Raises: SteerscopeError: it is no such request, or what cannot be written."""
        with read_back("to write a study"):
            responder = values["responder"]
            return cls(
                Wanted(**values["wanted"]),
                Writer.from_json(values["writer"]),
                None if responder is None else Writer.from_json(responder),
            )

    def check(self, settings: Settings) -> None:
        """Raises: SteerscopeError: a name is taken, or a model may not be asked here."""
        check_free(settings, self.wanted.name)
        check_writer(settings, self.writer)
        if self.responder is not None:
            check_writer(settings, self.responder)


@dataclass(frozen=True)
class RespondRequest:
    """Answer the chats of a study.

    Attributes:
        study: key of a study of the store.
        name: of the draft.
        writer: answers.
        samples: responses to each chat.
        temperature: of the answers.
        answer_tokens: longest answer.
    """

    study: str
    name: str
    writer: Writer
    samples: int = 1
    temperature: float = 1.0
    answer_tokens: int = 200

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RespondRequest:
        """Raises: JobError: it is no such request."""
        with read_back("for new responses"):
            return cls(**{**values, "writer": Writer.from_json(values["writer"])})

    def check(self, settings: Settings) -> None:
        """Raises: SteerscopeError: there is no such study, it has no chats, the name is taken, or
        the model may not be asked here."""
        check_writer(settings, self.writer)
        check_free(settings, self.name)
        check_responding(load_study(settings, find_study(settings, self.study)), self.samples)


@dataclass(frozen=True)
class AddRequest:
    """Write one more prompt set for a study.

    Attributes:
        study: key of a study of the store.
        prompt_set: name of the new set.
        writer: writes it.
        pairs: of each trait.
        like: run as which the revision is extracted; empty for no extraction.
        temperature: of the answers.
        answer_tokens: longest prompt.
    """

    study: str
    prompt_set: str
    writer: Writer
    pairs: int = 20
    like: str = ""
    temperature: float = 1.0
    answer_tokens: int = 200

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> AddRequest:
        """Raises: JobError: it is no such request."""
        with read_back("for a prompt set"):
            return cls(**{**values, "writer": Writer.from_json(values["writer"])})

    def check(self, settings: Settings) -> None:
        """Raises: SteerscopeError: there is no such study, the name of the set cannot be used, or
        the model may not be asked here."""
        check_writer(settings, self.writer)
        study = load_study(settings, find_study(settings, self.study))
        check_new_set(study, self.prompt_set, self.pairs)


@dataclass(frozen=True)
class JudgeRequest:
    """Score the responses of a study or a draft.

    Attributes:
        judge: behind an endpoint.
        study: key of a study of the store; empty for a draft.
        draft: name of a draft; empty for a study.
        rubric: Markdown with a heading for each trait; empty for the study's descriptions.
        scale: of ``SCALES``.
        traits: that are judged; empty for all.
        repeats: scores of each response; from two on at temperature 1.
        coherence: whether coherence is asked.
        least_coherence: below it a response has no score; None for no such limit.
        keep: whether the scores that are there stay.
        answer_tokens: longest answer.
    """

    judge: Writer
    study: str = ""
    draft: str = ""
    rubric: str = ""
    scale: str = "0-10"
    traits: tuple[str, ...] = ()
    repeats: int = 1
    coherence: bool = True
    least_coherence: float | None = None
    keep: bool = False
    answer_tokens: int = 32

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> JudgeRequest:
        """Raises: JobError: it is no such request."""
        with read_back("to judge"):
            judge, traits = Writer.from_json(values["judge"]), tuple(values["traits"])
            return cls(**{**values, "judge": judge, "traits": traits})

    def json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**dataclasses.asdict(self), "traits": list(self.traits)}

    def source(self, settings: Settings) -> Study:
        """The study that is judged.

        Raises:
            StudyNotFound, StoreError: it is not there.
        """
        if bool(self.study) == bool(self.draft):
            raise StudyNotFound(
                "It is not said which study is to be judged.",
                expected="a study, or a draft.",
                remedy="choose one.",
            )
        if self.draft:
            return read_draft(settings, self.draft).study
        return load_study(settings, find_study(settings, self.study))

    def judging(self, settings: Settings, study: Study) -> Judging:
        """How it is judged.

        Args:
            settings: which endpoints may be named.
            study: from :meth:`source`.

        Raises:
            NotAllowed, EndpointError: the judge may not be asked here, or names no endpoint.
            JudgeError: the rubric is none, or nothing can be scored in this way.
        """
        if self.scale not in SCALES:
            raise JudgeError(
                f"{self.scale!r} is no scale.",
                expected=f"one of: {', '.join(SCALES)}.",
                remedy="choose one of them.",
            )
        rubric = (
            rubric_of_text(Path(RUBRIC), self.rubric, study)
            if self.rubric.strip()
            else rubric_of_study(study)
        )
        return Judging(
            endpoint=endpoint_of(settings, self.judge),
            rubric=rubric,
            scale=SCALES[self.scale],
            traits=self.traits,
            repeats=self.repeats,
            temperature=1.0 if self.repeats > 1 else 0.0,
            coherence=self.coherence,
            least_coherence=self.least_coherence,
            keep=self.keep,
            answer_tokens=self.answer_tokens,
        )

    def check(self, settings: Settings) -> None:
        """Raises: SteerscopeError: nothing can be judged in this way, or not here."""
        endpoint_of(settings, self.judge)
        study = self.source(settings)
        plan(study, self.judging(settings, study))
