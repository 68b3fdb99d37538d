"""Imports flow one way, and each kind of thing is in one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Lower layers first; a module may import its own layer and those before it.
# fmt: off
LAYERS = (
    (
        "types", "turns", "errors", "access", "settings", "names", "poolings", "lifeline",
        "waiting_threads",
    ),
    ("core",),
    ("store",),
    ("studies", "models"),
    ("phantom",),
    ("extraction",),
    ("runs",),
    ("asking",),
    ("judging",),
    ("steering", "writing"),
    ("jobs",),
    ("views",),
    ("exports",),
    ("cli",),
    ("__main__",),
)
# fmt: on
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Third-party packages that only some layers may import.
ONLY = {
    "torch": {"models", "extraction", "steering"},
    "transformers": {"models", "steering"},
    "ray": set(),
    "vllm": {"extraction"},
    "duckdb": {"store"},
    "boto3": {"store"},
    "dbos": {"jobs"},
    "openai": {"asking"},
    "plotly": {"views", "exports"},
    "jinja2": {"exports", "extraction"},
    "streamlit": set(),
}
# What a page may ask. Numbers and figures come from these; so do sentences that a report has too.
PAGE_MAY = {
    "views", "runs", "asking", "judging", "writing", "steering", "jobs", "exports", "models",
    "studies", "phantom", "store", "core",
    "types", "turns", "errors", "access", "settings", "names", "poolings", "lifeline",
}  # fmt: skip
MODULES = sorted((ROOT / "backend").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]
SQL = ("SELECT ", "INSERT INTO", "CREATE TABLE", "DELETE FROM", "ATTACH ")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT / "backend").parts[0].removesuffix(".py")


def holds_sql(path: Path) -> bool:
    return any(word in path.read_text("utf-8") for word in SQL)


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=names)
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


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_only_the_store_knows_its_tables(path):
    if layer_of(path) != "store":
        assert not holds_sql(path)


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_pages_need_no_numerics_and_no_tables(path):
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "backend":
            assert parts[1] in PAGE_MAY, name
        assert parts[0] not in ("torch", "duckdb", "numpy", "scipy", "sklearn", "pandas"), name
    assert not holds_sql(path)


@cache
def _defined_and_imported(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a module makes, and those that it has from elsewhere."""
    made, had = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            had |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
    return frozenset(made), frozenset(had)


def test_a_name_has_one_home():
    """Nothing is imported from a module that only imported it itself."""
    for path in [*MODULES, *PAGES, *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text("utf-8")
        assert path == Path(__file__) or "__all__" not in text, path
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            home = ROOT / f"{node.module.replace('.', '/')}.py"
            if home.exists():
                made, had = _defined_and_imported(home)
                for alias in node.names:
                    at_home = alias.name in made or alias.name not in had
                    assert at_home, f"{names(path)}: {alias.name} is not {node.module}'s own"


def test_a_class_has_a_name_of_its_own():
    """Whoever reads a name in one place knows what it is in another."""
    homes: dict[str, list[str]] = {}
    for path in (*MODULES, *sorted((ROOT / "pages").rglob("*.py"))):
        for node in ast.parse(path.read_text("utf-8")).body:
            literal = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith(
                "Literal["
            )
            named = [node] if isinstance(node, ast.ClassDef) else []
            found = [one.name for one in named] + [
                target.id
                for target in (node.targets if literal else [])
                if isinstance(target, ast.Name)
            ]
            for name in found:
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert len(homes) > 300
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_what_views_share_needs_no_topic():
    topics = {path.name for path in (ROOT / "backend" / "views").iterdir() if path.is_dir()}
    assert {"shared", "scorecard", "diagnosis", "filter_lab"} <= topics
    shared = [path for path in MODULES if "views/shared" in path.as_posix()]
    for path in shared:
        for name in imports(path):
            if name.startswith("backend.views."):
                assert name.split(".")[2] == "shared", f"{path} imports {name}"


READING = (
    "backend.core.metrics.registry",
    "backend.core.vectors.lab",
    "backend.store.run",
    "backend.runs.results",
    "backend.jobs.queue",
    "backend.views.scorecard.compute",
    "backend.views.scorecard.figures",
    "backend.views.prompts.compute",
    "backend.views.steer.compute",
    "backend.exports.report.page",
    "backend.cli.commands",
    "backend.jobs.worker",
)


def test_reading_needs_neither_torch_nor_streamlit():
    code = (
        "import importlib, sys\n"
        f"for name in {READING}:\n"
        "    importlib.import_module(name)\n"
        "    print(name, [m for m in ('torch', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{name} []" for name in READING]


def test_what_tests_share_is_in_their_support():
    """A test module imports from none other, so each can be read, moved and run by itself."""
    for path in (ROOT / "tests").rglob("*.py"):
        for name in imports(path):
            assert not name.split(".")[-1].startswith("test_"), f"{names(path)} imports {name}"


def test_the_top_level_is_as_agreed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {Path(name).parts[0] for name in tracked}
    assert top == {
        "app.py",
        "pages",
        "backend",
        "cache",
        "tests",
        "requirements.txt",
        "README.md",
        "SECURITY.md",
        "docs",
        "requirements-dev.txt",
        "requirements-s3.txt",
        "requirements-ray.txt",
        "requirements-vllm.txt",
        "requirements-vllm-cpu.txt",
        "Makefile",
        "Dockerfile",
        ".dockerignore",
        "pyproject.toml",
        "LICENSE",
        "CHANGELOG.md",
        ".ci",
        ".streamlit",
        ".gitignore",
    }
