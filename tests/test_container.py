"""The Dockerfile, as far as it can be looked at without Docker: what it copies is there and is
enough, and what it runs is a command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli.commands import COMMANDS
from backend.cli.main import build_parser
from backend.errors import SteerscopeError
from backend.jobs.supervisor import Address, check_place

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in DOCKERFILE.splitlines()
    if line.strip() and not line.startswith("#")
]


def arguments(name):
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def copied():
    """Source and target of every COPY."""
    return [tuple(rest.split()) for rest in arguments("COPY")]


def test_every_instruction_is_one():
    known = {
        "FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert {instruction for instruction, _ in INSTRUCTIONS} == known
    assert INSTRUCTIONS[0][0] == "FROM"
    version = re.search(r"python:(\d+)\.(\d+)", arguments("FROM")[0])
    assert (int(version[1]), int(version[2])) >= (3, 11)


def test_what_is_copied_is_there_and_let_in():
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert {source for source, _ in copied()} == let_in
    for source in let_in:
        tracked = subprocess.run(
            ["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert (ROOT / source).exists() and tracked, source


@pytest.mark.long
def test_what_is_copied_is_enough(tmp_path):
    """The command runs and a page is drawn where nothing else is."""
    for source, target in copied():
        place = tmp_path / target if target != "." else tmp_path / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / source, place)
    environment = os.environ | {"STEERSCOPE_CACHE": str(tmp_path / "data"), "PYTHONPATH": ""}
    drawn = (
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app.py', default_timeout=120).run()\n"
        "assert not app.exception, app.exception\n"
    )
    for command in (["-m", "backend", "studies"], ["-c", drawn]):
        subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, check=True, timeout=300
        )


def test_what_it_runs_is_a_command_that_asks_for_log_in(settings):
    assert json.loads(arguments("ENTRYPOINT")[0]) == ["python", "-m", "backend"]
    options = build_parser(COMMANDS).parse_args(json.loads(arguments("CMD")[0]))
    place = Address(options.port, options.address, options.base_path, options.insecure)
    assert arguments("EXPOSE") == [str(place.port)]
    with pytest.raises(SteerscopeError, match="nobody is asked who they are"):
        check_place(place, settings)
    told = re.search(r"^#\s+(serve .*?)\s{2,}", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    options = build_parser(COMMANDS).parse_args(told.split())
    check_place(Address(options.port, options.address, "", options.insecure), settings)


def test_its_steps_are_shell_and_its_health_check_python():
    for step in arguments("RUN"):
        subprocess.run(["sh", "-n", "-c", step], check=True)
    check = json.loads(arguments("HEALTHCHECK")[0].partition("CMD")[2])
    compile(check[2], "HEALTHCHECK", "exec")
    pins = (ROOT / "requirements.txt").read_text()
    assert len(re.findall(r"^torch==", pins, re.MULTILINE)) == 1


@pytest.mark.parametrize("device", ["cpu", "gpu", "tpu"])
def test_the_device_chooses_where_torch_comes_from(tmp_path, device):
    (tmp_path / "pip").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pip").chmod(0o755)
    step = next(step for step in arguments("RUN") if "DEVICE" in step)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", step],
        cwd=ROOT,
        env={"PATH": path, "DEVICE": device},
        capture_output=True,
        text=True,
    )
    if device == "tpu":
        assert done.returncode == 1 and "cpu or gpu is expected" in done.stderr
        return
    torch, others = done.stdout.splitlines()
    assert ("whl/cpu" in torch) == (device == "cpu") and re.search(r"torch==\d", torch)
    assert others.endswith("-r requirements.txt")
