"""Which runs there are, and which files in the store cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import UnreadableFile
from backend.settings import Settings
from backend.store.run_files import list_run_ids, read_record, reading_run, run_path
from backend.store.run_record import SIMULATED, RunRecord
from backend.types import POOLING_TITLES


@dataclass(frozen=True)
class RunSummary:
    """A published run in one line.

    Attributes:
        record: its provenance.
        study_title: title of its study.
        study_provenance: who wrote and scored the study.
        prompts: number of prompts.
        responses: number of responses.
        prompt_sets: names of its prompt sets.
        traits: names of its traits, in the study's order.
        forward_seconds: time spent in forward passes.
        derive_seconds: time spent on what is computed from the activations.
        tokens: tokens read by the model, padding not counted.
        bytes: size of the file.
    """

    record: RunRecord
    study_title: str
    study_provenance: str
    prompts: int
    responses: int
    prompt_sets: tuple[str, ...]
    traits: tuple[str, ...]
    forward_seconds: float
    derive_seconds: float
    tokens: int
    bytes: int

    @property
    def study_key(self) -> str:
        """``name@hash`` of its study."""
        return f"{self.record.study_name}@{self.record.study_hash}"

    @property
    def simulated(self) -> bool:
        """Whether its activations were drawn by a phantom and read by no model."""
        return self.record.model_source == SIMULATED

    @property
    def label(self) -> str:
        """Short name for axes and choices: model, and pooling where it is not the mean."""
        pooling = self.record.pooling
        shown = "" if pooling == "mean" else f" · {POOLING_TITLES[pooling]}"
        return f"{self.record.model_name}{shown}"


@dataclass(frozen=True)
class RunList:
    """Published runs.

    Attributes:
        runs: readable ones, oldest first.
        broken: file name -> why it cannot be read.
    """

    runs: tuple[RunSummary, ...]
    broken: dict[str, str]


def run_summary(settings: Settings, run_id: str) -> RunSummary:
    """One run in one line.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: its file is damaged or of another format.
    """
    with reading_run(settings, run_id) as connection:
        head = connection.execute(
            "SELECT title, provenance, (SELECT count(*) FROM prompts),"
            " (SELECT count(*) FROM responses), (SELECT coalesce(sum(seconds), 0) FROM batches),"
            " (SELECT coalesce(sum(tokens), 0) FROM batches),"
            " (SELECT coalesce(sum(seconds), 0) FROM timings WHERE stage = 'derive') FROM study"
        ).fetchall()[0]
        sets = connection.execute("SELECT DISTINCT prompt_set FROM prompts ORDER BY 1").fetchall()
        traits = connection.execute("SELECT trait FROM traits ORDER BY position").fetchall()
        return RunSummary(
            record=read_record(connection, run_id),
            study_title=head[0],
            study_provenance=head[1],
            prompts=head[2],
            responses=head[3],
            prompt_sets=tuple(row[0] for row in sets),
            traits=tuple(row[0] for row in traits),
            forward_seconds=float(head[4]),
            derive_seconds=float(head[6]),
            tokens=int(head[5]),
            bytes=run_path(settings, run_id).stat().st_size,
        )


def run_list(settings: Settings) -> RunList:
    """All published runs; a file that cannot be read is listed with its reason, not raised."""
    runs, broken = [], {}
    for run_id in list_run_ids(settings):
        try:
            runs.append(run_summary(settings, run_id))
        except UnreadableFile as fault:
            broken[f"{run_id}.duckdb"] = f"{fault.what} {fault.remedy}"
    return RunList(tuple(runs), broken)
