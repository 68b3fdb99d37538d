"""``python -m backend``."""

import os
import sys

# Read when torch loads OpenMP. Threads that spin while they wait take the core from whoever they
# wait for: on a machine with other work, extraction takes twice as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from backend.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
