"""What loading a model imports is compiled beside a first start, and only then."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from backend.lifeline import start_held
from backend.models import first_imports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def torch_at(tmp_path, monkeypatch):
    """A folder that is taken for torch's, where nothing has been compiled."""
    (tmp_path / "__init__.py").write_text("", "utf-8")
    spec = ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(first_imports, "find_spec", lambda _: spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    started = []
    monkeypatch.setattr(first_imports, "start_held", lambda *given: started.append(given))
    return tmp_path, started


def test_it_is_started_where_torch_was_never_imported(torch_at):
    _, started = torch_at
    assert first_imports.compile_beside()
    ((command, folder, _),) = started
    assert command == [sys.executable, "-m", first_imports.__name__] and folder == ROOT


def test_it_is_not_started_where_torch_is_compiled(torch_at):
    folder, started = torch_at
    compiled = Path(importlib.util.cache_from_source(str(folder / "__init__.py")))
    compiled.parent.mkdir()
    compiled.write_bytes(b"")
    assert not first_imports.compile_beside() and not started


@pytest.mark.parametrize("why", ["nothing is written", "no right to write", "no torch"])
def test_it_is_not_started_where_it_would_be_of_no_use(torch_at, monkeypatch, why):
    _, started = torch_at
    if why == "nothing is written":
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
    elif why == "no right to write":
        monkeypatch.setattr(first_imports.os, "access", lambda *_: False)
    else:
        monkeypatch.setattr(first_imports, "find_spec", lambda _: None)
    assert not first_imports.compile_beside() and not started


@pytest.mark.slow
def test_it_imports_torch_s_compiler_and_ends():
    code = (
        "import runpy, sys\n"
        f"runpy.run_module({first_imports.__name__!r}, run_name='__main__')\n"
        "print(sorted({'torch._dynamo', 'transformers.generation', 'gguf'} & {*sys.modules}))"
    )
    # The lifeline stays open meanwhile; the process has a group of its own, which it would end.
    lifeline, held = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdin=lifeline, capture_output=True, text=True,
            check=True, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(lifeline)
        os.close(held)
    assert done.stdout.splitlines()[-1] == "['gguf', 'torch._dynamo', 'transformers.generation']"


def test_it_ends_with_who_started_it():
    process = start_held([sys.executable, "-m", first_imports.__name__], ROOT, os.environ)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) != 0
