"""The options that say which engine works, and where its cluster is."""

from __future__ import annotations

import argparse
import dataclasses

from backend.extraction.engine import LOCAL
from backend.runs.engines import CHOICES
from backend.settings import Settings


def engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    parser.add_argument(
        "--engine",
        default=LOCAL,
        choices=CHOICES,
        help="local: this process; ray: the workers of a Ray cluster (default: %(default)s)",
    )
    parser.add_argument(
        "--ray-address",
        default="",
        help="host:port of a running cluster's head, or auto (default: STEERSCOPE_RAY_ADDRESS, "
        "else Ray is started on this machine for the run)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="workers on Ray (default: as many as have room)"
    )
    parser.add_argument(
        "--worker-cpus", type=int, default=1, help="CPUs of each worker (default: %(default)s)"
    )


def of_cluster(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings with the cluster that the options name, if they name one."""
    if not options.ray_address:
        return settings
    return dataclasses.replace(settings, ray_address=options.ray_address)
