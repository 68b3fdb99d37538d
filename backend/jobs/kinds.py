"""The registered kinds of jobs that are no extractions, one file each in
:mod:`backend.jobs.tasks_of`."""

from __future__ import annotations

from backend.jobs.kind import JobKind
from backend.jobs.tasks_of import (
    add_prompts,
    dose,
    judge,
    respond,
    steer,
    tokens,
    vocabulary,
    write,
)

KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        steer.KIND,
        dose.KIND,
        tokens.KIND,
        vocabulary.KIND,
        write.KIND,
        respond.KIND,
        add_prompts.KIND,
        judge.KIND,
    )
}
