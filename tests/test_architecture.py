"""Imports flow one way, pages hold no arithmetic, and reading needs neither torch nor widgets."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Lower layers first; a module may import its own layer and those before it.
LAYERS = (
    ("types", "errors", "settings"),
    ("geometry", "statistics"),
    ("vectors", "analyses"),
    ("diagnosis",),
    ("studies", "models", "extraction", "phantom"),
    ("store",),
    ("jobs", "queries"),
    ("charts", "worker"),
    ("exports",),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Third-party packages that only some layers may import.
ONLY = {
    "torch": {"models", "extraction"},
    "transformers": {"models", "extraction"},
    "duckdb": {"store"},
    "dbos": {"jobs", "worker"},
    "plotly": {"charts"},
    "streamlit": set(),
}
MODULES = sorted((ROOT / "backend").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def layer_of(path):
    return path.relative_to(ROOT / "backend").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_backend_imports_flow_one_way(path):
    own = layer_of(path)
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "backend" and len(parts) > 1:
            assert LEVEL[parts[1]] <= LEVEL[own], f"{own} imports {name}"
        assert parts[0] not in ("pages", "app", "tests"), f"{own} imports {name}"
        if parts[0] in ONLY:
            assert own in ONLY[parts[0]], f"{own} imports {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_import_only_what_they_may(path):
    allowed = {"queries", "jobs", "charts", "exports", "types", "errors", "settings"}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "backend":
            assert parts[1] in allowed, name
        assert parts[0] not in ("torch", "duckdb", "numpy", "scipy", "sklearn", "pandas"), name
    assert "SELECT " not in path.read_text("utf-8")


@pytest.mark.parametrize(
    "module",
    [
        "backend.views.scorecard.compute",
        "backend.views.prompts.compute",
        "backend.jobs.queue",
        "backend.views.scorecard.figures",
        "backend.cli.main",
    ],
)
def test_reading_needs_neither_torch_nor_streamlit(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'streamlit') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_files_are_about_one_thing():
    for path in [*MODULES, *PAGES]:
        assert len(path.read_text("utf-8").splitlines()) <= 300, path


def test_the_top_level_is_as_agreed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {Path(name).parts[0] for name in tracked}
    assert top <= {
        "app.py",
        "pages",
        "backend",
        "cache",
        "tests",
        "requirements.txt",
        "README.md",
        "docs",
        "requirements-dev.txt",
        "Makefile",
        "pyproject.toml",
        "LICENSE",
        "CHANGELOG.md",
        ".ci",
        ".streamlit",
        ".gitignore",
    }
