"""Which two runs to put side by side, and what differs between them."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.run_values import RunSummary
from backend.views.runs.comparison import Side


def comparable_runs(runs: Sequence[RunSummary], study_name: str) -> tuple[RunSummary, ...]:
    """Runs of any revision of a study, newest first.

    Args:
        runs: published runs, oldest first.
        study_name: name of the study, without hash.
    """
    return tuple(run for run in reversed(runs) if run.record.study_name == study_name)


def previous_run(runs: Sequence[RunSummary], run_id: str) -> RunSummary | None:
    """The run of the same study's name that was published before another; None if there is none.

    Args:
        runs: published runs, oldest first.
        run_id: the later run.
    """
    place = next((i for i, run in enumerate(runs) if run.record.run_id == run_id), None)
    if place is None:
        return None
    earlier = comparable_runs(runs[:place], runs[place].record.study_name)
    return earlier[0] if earlier else None


def default_sides(runs: Sequence[RunSummary]) -> tuple[Side, Side] | None:
    """The newest run as B, and as A the one before it, or another prompt set of the same run.

    Args:
        runs: of one study's name, newest first.

    Returns:
        A and B; None where there is one run with one prompt set, or none.
    """
    if not runs or (len(runs) == 1 and len(runs[0].prompt_sets) < 2):
        return None
    return sides_of(runs[1] if len(runs) > 1 else runs[0], runs[0])


def sides_of(first: RunSummary, second: RunSummary) -> tuple[Side, Side]:
    """A and B with the prompt sets that tell most: B's new one, else one that both have.

    Args:
        first: the run of A.
        second: the run of B; it may be the same.
    """
    before, after = first.prompt_sets, second.prompt_sets
    if first.record.run_id == second.record.run_id:
        sets = before[0], after[-1]
    else:
        new = [name for name in after if name not in before]
        shared = [name for name in after if name in before]
        sets = (shared or before)[0], (new or shared)[0]
    return Side(first.record.run_id, sets[0]), Side(second.record.run_id, sets[1])


def what_differs(first: tuple[RunSummary, str], second: tuple[RunSummary, str]) -> tuple[str, ...]:
    """What two sides do not have in common, each as ``name: A → B``.

    Args:
        first: run and prompt set of A.
        second: run and prompt set of B.
    """
    found = []
    described = [_described(*side) for side in (first, second)]
    for name, before in described[0].items():
        after = described[1][name]
        if before != after:
            found.append(f"{name}: {before} → {after}")
    return tuple(found)


def _described(run: RunSummary, prompt_set: str) -> dict[str, str]:
    record = run.record
    layers = ", ".join(str(layer) for layer in record.layers)
    return {
        "prompt set": prompt_set,
        "study revision": record.study_hash,
        "model": record.model_name,
        "weights": record.weights_hash[:12],
        "pooling": record.pooling,
        "layers": layers,
        "device": record.device,
        "dtype": record.dtype,
    }
