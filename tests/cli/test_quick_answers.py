"""What is wrong with a command is said before anything slow is imported or started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
# All in one process: what one of them had imported would still be there after the next.
CODE = """
import contextlib, io, json, sys
from backend.cli.main import main
for name, words in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(words)
    slow = [module for module in ("torch", "transformers", "dbos") if module in sys.modules]
    print(json.dumps([name, status, slow, said.getvalue()]))
"""


def test_a_wrong_name_needs_neither_torch_nor_a_worker(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    commands = {
        name: [word.format(model=tiny_llama) for word in words]
        for name, (words, _) in WRONG.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)],
        cwd=ROOT,
        env=os.environ | {"STEERSCOPE_CACHE": str(settings.cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in found] == list(WRONG)
    for name, status, slow, said in found:
        assert (name, status, slow) == (name, 1, [])
        assert WRONG[name][1] in said
