"""``python -m backend``."""

import sys

from backend.models.first_imports import compile_beside
from backend.waiting_threads import let_waiting_threads_sleep

let_waiting_threads_sleep()
if __name__ == "__main__" and sys.argv[1:2] == ["serve"]:
    # Before the imports below, which are a third of a first start of the dashboard.
    compile_beside()

from backend.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
