"""The audit of dependencies: it passes only what was audited, and says what was not."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.conftest import REPOSITORY

PINNED = ("requirements.txt", "requirements-dev.txt", "requirements-s3.txt")
SCRIPT = REPOSITORY / ".ci" / "audit"
# A package index that knows of vulnerabilities, and a mirror that knows of none.
KNOWING = {"dependencies": [{"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-1"}]}]}
MIRROR = {"dependencies": [{"name": "jinja2", "skip_reason": "not found"}], "fixes": []}


@pytest.mark.parametrize(
    ("index", "found", "options", "passes", "said"),
    [
        (KNOWING, 0, (), True, ""),
        (KNOWING, 1, (), False, ""),
        (KNOWING, 1, ("--if-possible",), False, ""),
        (MIRROR, 0, (), False, "not audited"),
        (MIRROR, 0, ("--if-possible",), True, "not audited"),
    ],
)
def test_only_what_was_audited_passes(tmp_path, index, found, options, passes, said):
    asked = tmp_path / "asked"
    stub = tmp_path / "pip-audit"
    stub.write_text(
        "#!/bin/sh\n"
        f"case \"$*\" in *vulnerable.txt*) echo '{json.dumps(index)}'; exit 1;; esac\n"
        f'echo "$@" > {asked}; exit {found}\n'
    )
    stub.chmod(0o755)
    done = subprocess.run(
        ["sh", SCRIPT, *options],
        cwd=REPOSITORY,
        env=os.environ | {"PIP_AUDIT": str(stub)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == passes
    assert (said in done.stderr) if said else not done.stderr
    # Every file of pinned packages, in full.
    assert asked.exists() == (index is KNOWING)
    if asked.exists():
        words = asked.read_text().split()
        assert "--strict" in words and set(PINNED) <= set(words)
