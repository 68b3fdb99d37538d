"""What is wrong with a command is said before anything slow is imported or started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs import publish_run
from tests.support.studies import small_study

ROOT = Path(__file__).resolve().parents[2]
MODEL = "{model}"
WRONG = {
    "study": (["extract", "--study", "nosuch", "--model", MODEL], "No study is called 'nosuch'"),
    "words for layers": (
        ["extract", "--study", "small", "--model", MODEL, "--layers", "8to9"],
        "is not a list of layers",
    ),
    "layer": (
        ["extract", "--study", "small", "--model", MODEL, "--layers", "1,9"],
        "With 3 decoder blocks, layers [9] do not exist",
    ),
    "model": (["extract", "--study", "small", "--model", "./nosuch"], "nosuch"),
    "run to derive": (["derive", "nosuch"], "No run is called 'nosuch'"),
    "run to diagnose": (["diagnose", "nosuch"], "No run is called 'nosuch'"),
    "run to show": (["show", "nosuch"], "No run is called 'nosuch'"),
}
CODE = """
import sys
from backend.cli.main import main
status = main(sys.argv[1:])
print(status, [name for name in ("torch", "transformers", "dbos") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", WRONG, ids=str)
def test_a_wrong_name_needs_neither_torch_nor_a_worker(settings, tiny_llama, arguments):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    words, said = WRONG[arguments]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(word.format(model=tiny_llama) for word in words)],
        cwd=ROOT,
        env=os.environ | {"STEERSCOPE_CACHE": str(settings.cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stderr
    assert done.stdout.splitlines()[-1] == "1 []"
