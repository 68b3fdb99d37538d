"""``python -m backend``."""

import sys

from backend.waiting_threads import let_waiting_threads_sleep

let_waiting_threads_sleep()

from backend.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
