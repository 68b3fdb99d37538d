"""How Streamlit turns the pages' files into code."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from streamlit import config
from streamlit.runtime.scriptrunner.script_cache import ScriptCache

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("magic", [True, False])
def test_pages_are_compiled_without_python_objects_for_their_syntax(monkeypatch, magic):
    """Making them fails in Python 3.11 now and then, and the page is empty."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert settings["runner"]["magicEnabled"] is False

    def parse(*_args, **_options):
        raise SystemError("AST constructor recursion depth mismatch (before=30, after=342)")

    monkeypatch.setattr(ast, "parse", parse)
    before = config.get_option("runner.magicEnabled")
    config.set_option("runner.magicEnabled", magic)
    try:
        if magic:  # so that this test tells whether Streamlit still does so
            with pytest.raises(SystemError):
                ScriptCache().get_bytecode(str(ROOT / "app.py"))
        else:
            assert ScriptCache().get_bytecode(str(ROOT / "app.py")).co_filename.endswith("app.py")
    finally:
        config.set_option("runner.magicEnabled", before)
