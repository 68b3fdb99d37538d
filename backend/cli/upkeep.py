"""Commands that keep a store in order."""

from __future__ import annotations

import argparse
import sys
import time

from backend.cli.command import Command
from backend.errors import SteerscopeError
from backend.exports.download import size_text
from backend.runs.upkeep import Candidate, check_store, prunable
from backend.settings import Settings
from backend.store.changes import changes
from backend.store.shared import exchange


def _check(settings: Settings, _: argparse.Namespace) -> int:
    damaged = whole = 0
    for checked in check_store(settings):
        if checked.why is None:
            whole += 1
            continue
        damaged += 1
        print(f"{checked.path}: {checked.why}", file=sys.stderr)
    print(f"{whole} files are whole, {damaged} are damaged.")
    return 1 if damaged else 0


def _prune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--older-than", type=float, metavar="DAYS", help="runs older than this")
    parser.add_argument(
        "--keep-below",
        type=float,
        metavar="GB",
        help="as many of the oldest runs as bring all runs together below this",
    )
    parser.add_argument("--yes", action="store_true", help="delete them; otherwise only listed")


def _prune(settings: Settings, options: argparse.Namespace) -> int:
    if options.older_than is None and options.keep_below is None:
        raise SteerscopeError(
            "Nothing says which runs are to go.",
            expected="--older-than DAYS, --keep-below GB, or both.",
            remedy="add one; without --yes nothing is deleted.",
        )
    if min(options.older_than or 0.0, options.keep_below or 0.0) < 0:
        raise SteerscopeError(
            "A number of days or of GB is negative.",
            expected="0 or more.",
            remedy="leave the sign out.",
        )
    over = None if options.keep_below is None else round(options.keep_below * 1e9)
    chosen = prunable(settings, time.time(), older_days=options.older_than, over_bytes=over)
    for run in chosen:
        print(_line(run))
    total = size_text(sum(run.bytes for run in chosen))
    if not options.yes:
        print(f"{len(chosen)} runs, {total}, would be deleted. Add --yes to delete them.")
        return 0
    # Imported here: the queue's library takes long, and other commands do without it.
    from backend.jobs.queue import JobQueue

    queue = JobQueue(settings)
    try:
        for run in chosen:
            queue.delete_run(run.run_id)
    finally:
        queue.close()
    print(f"{len(chosen)} runs, {total}, deleted.")
    return 0


def _line(run: Candidate) -> str:
    line = f"{run.run_id}  {size_text(run.bytes)}  {run.days:.0f} days old"
    if run.users:
        line += f"  (saved vectors made from it stay: {', '.join(run.users)})"
    return line


def _audit(settings: Settings, _: argparse.Namespace) -> int:
    for change in changes(settings):
        print(f"{change.at}  {change.who}  {change.what}  {change.which}")
    return 0


def _exchange(settings: Settings, _: argparse.Namespace) -> int:
    if not settings.shared:
        raise SteerscopeError(
            "There is no shared place to exchange with.",
            expected="STEERSCOPE_SHARED: a folder, or s3://bucket/prefix.",
            remedy="set it (docs/hosts.md).",
        )
    done = exchange(settings)
    if done is None:
        print("Another process of this cache exchanges at this moment.")
        return 0
    print(
        f"{done.published} published, {done.fetched} fetched, {done.removed} removed as they were "
        f"deleted elsewhere, {done.aside} put aside."
    )
    for text in done.failed:
        print(text, file=sys.stderr)
    return 1 if done.failed else 0


COMMANDS = (
    Command("check", "Read every file of the store and name the damaged.", lambda _: None, _check),
    Command("prune", "List runs by age or size, and delete them.", _prune_arguments, _prune),
    Command(
        "exchange",
        "Bring this cache and the shared place to the same state, once.",
        lambda _: None,
        _exchange,
    ),
    Command("audit", "List who changed what, and when.", lambda _: None, _audit),
)
