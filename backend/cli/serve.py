"""Commands that keep running: a worker, and the dashboard with a worker."""

from __future__ import annotations

import argparse

from backend.cli.command import Command
from backend.jobs.priority import yield_to_pages
from backend.lifeline import end_with_starter
from backend.settings import Settings


def _sample_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-sample", action="store_true", help="do not extract the bundled sample on first start"
    )


def _worker_arguments(parser: argparse.ArgumentParser) -> None:
    _sample_argument(parser)
    # As ``serve`` starts it.
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    _sample_argument(parser)
    parser.add_argument("--port", type=int, default=8501, help="of the dashboard (default 8501)")
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        help="IP address to listen on (default 127.0.0.1: this machine alone)",
    )
    parser.add_argument(
        "--base-path", default="", help="what the addresses begin with behind a reverse proxy"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="listen on an address that others reach, although without log-in nobody is asked who "
        "they are",
    )


def _worker(settings: Settings, options: argparse.Namespace) -> int:
    yield_to_pages(own_session=options.supervised)
    if options.supervised:
        end_with_starter()
    # Imported here: reading a run on the command line needs neither torch nor the queue.
    from backend.jobs.worker import serve

    serve(settings, with_sample=not options.no_sample, exchanging=not options.supervised)
    return 0


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from backend.jobs.supervisor import Address, supervise

    place = Address(options.port, options.address, options.base_path.strip("/"), options.insecure)
    return supervise(settings, place, with_sample=not options.no_sample)


COMMANDS = (
    Command("worker", "Run extractions from the queue until stopped.", _worker_arguments, _worker),
    Command("serve", "Run the dashboard and a worker.", _serve_arguments, _serve),
)
