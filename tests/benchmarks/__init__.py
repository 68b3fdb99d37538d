"""Benchmarks: ratios against baselines measured in the same run."""

from backend.waiting_threads import let_waiting_threads_sleep

# As ``python -m backend`` runs.
let_waiting_threads_sleep()
