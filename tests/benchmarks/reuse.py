"""Trying again on the sample: what is extracted again, and how long a dropped prompt takes.

The sample is extracted and derived once with SmolLM2; then one prompt is dropped, in the same
process, and timed from the request to the published run. The baseline is the whole run. Run with
``make bench-reuse``.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from backend.runs.session import session_of
from backend.settings import DEFAULT_MODEL, Settings
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.dropped_prompts import drop_prompts
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from backend.types import ExtractionRequest

REPOSITORY = Path(__file__).resolve().parents[2]
LAYERS = tuple(range(8, 20))
DROPPED = (3, 60, 200)


def seconds_of(settings: Settings, run_id: str, study: str) -> float:
    """Seconds from the request to the published run."""
    request = ExtractionRequest(study=study, model=DEFAULT_MODEL, layers=LAYERS)
    started = time.perf_counter()
    session_of(settings, run_id, request, lambda _: None).run()
    return time.perf_counter() - started


def main() -> None:
    """Print the table and one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(cache=Path(folder))
        settings.make_folders()
        settings.models.rmdir()
        settings.models.symlink_to(REPOSITORY / "cache" / "models")
        study = read_study(sample_path(), "sample")
        ref = publish_study(settings, study, content_hash(study))
        whole = seconds_of(settings, "whole", ref.key)
        again = []
        for prompt in DROPPED:
            run_id = f"without-{prompt}"
            again.append(
                seconds_of(settings, run_id, drop_prompts(settings, ref.key, [prompt]).key)
            )
            with open_run(settings, run_id) as run:
                texts = len(study.prompts) + len(study.responses) - len([prompt])
                extracted = texts - sum(run.record.reused.values())
    drop = statistics.median(again)
    print(f"{'the whole sample':30}{whole:7.1f} s")
    print(f"{'one prompt dropped':30}{drop:7.1f} s, median of {len(again)}")
    figures = {
        "sample_s": round(whole, 1),
        "drop_prompt_s": round(drop, 2),
        "drop_prompt_v_whole": round(whole / drop, 1),
        "reuse_extracted": extracted,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
