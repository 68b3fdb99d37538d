"""All benchmarks: tables, and one JSON object as the last line. Run with ``make bench``."""

from __future__ import annotations

import json

from tests.benchmarks import extraction, gpu, lab

if __name__ == "__main__":
    figures = extraction.measure() | gpu.measure() | lab.measure()
    print(json.dumps(figures))
