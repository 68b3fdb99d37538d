"""Which studies there are."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import UnreadableFile
from backend.phantom.study import PROVENANCE
from backend.settings import Settings
from backend.store.connection import reading
from backend.store.study_files import list_studies


@dataclass(frozen=True)
class StudySummary:
    """A published study in one line.

    Attributes:
        key: ``name@hash``.
        title: one line for people.
        provenance: who wrote and who scored it.
        target: what r is taken over: drift, level or none.
        traits: name -> description (may be empty), in the study's order.
        prompt_sets: names.
        prompts: number of prompts.
        responses: number of responses.
    """

    key: str
    title: str
    provenance: str
    target: str
    traits: dict[str, str]
    prompt_sets: tuple[str, ...]
    prompts: int
    responses: int

    @property
    def simulated(self) -> bool:
        """Whether no model read its texts and no judge scored them."""
        return self.provenance == PROVENANCE


@dataclass(frozen=True)
class StudyList:
    """Published studies.

    Attributes:
        studies: readable ones, by name, newest revision of a name last.
        broken: file name -> why it cannot be read.
    """

    studies: tuple[StudySummary, ...]
    broken: dict[str, str]


def study_list(settings: Settings) -> StudyList:
    """All published studies; a file that cannot be read is listed with its reason."""
    studies, broken = [], {}
    for ref in list_studies(settings):
        try:
            studies.append(_summary(settings, ref.key))
        except UnreadableFile as fault:
            broken[f"{ref.key}.duckdb"] = f"{fault.what} {fault.remedy}"
    return StudyList(tuple(studies), broken)


def _summary(settings: Settings, key: str) -> StudySummary:
    with reading(settings.studies / f"{key}.duckdb", "study") as connection:
        head = connection.execute(
            "SELECT title, provenance, target, (SELECT count(*) FROM prompts),"
            " (SELECT count(*) FROM responses) FROM study"
        ).fetchall()[0]
        sets = connection.execute("SELECT DISTINCT prompt_set FROM prompts ORDER BY 1").fetchall()
        traits = connection.execute(
            "SELECT trait, description FROM traits ORDER BY position"
        ).fetchall()
    return StudySummary(
        key=key,
        title=head[0],
        provenance=head[1],
        target=head[2],
        traits=dict(traits),
        prompt_sets=tuple(row[0] for row in sets),
        prompts=head[3],
        responses=head[4],
    )
