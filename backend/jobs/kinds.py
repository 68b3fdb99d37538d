"""The registered kinds of jobs that are no extractions, one file each in
:mod:`backend.jobs.tasks_of`."""

from __future__ import annotations

from backend.jobs.kind import Kind
from backend.jobs.tasks_of import dose, steer, tokens, vocabulary

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (dose.KIND, steer.KIND, tokens.KIND, vocabulary.KIND)
}
