"""What the Hub answers, or does not, becomes the right error or the cached model."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from backend.errors import (
    GatedModel,
    HubUnreachable,
    ModelError,
    ModelNotFound,
    UnsafeCheckpoint,
)
from backend.models import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def refusal(kind, status):
    request = httpx2.Request("GET", "https://hub.invalid/x")
    return kind("refused", response=httpx2.Response(status, request=request))


def sibling(name, size=10):
    return SimpleNamespace(rfilename=name, size=size, lfs=None, blob_id=f"blob-{name}")


WHOLE = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture
def answers(monkeypatch):
    """Make the Hub answer with a fault or a list of files, the download bring or fail, the cache
    hold a folder or nothing. Returns the calls that were made."""

    def prepare(*, info=WHOLE, fetched=None, cached=None):
        calls = []

        def model_info(_api, hub_id, **_):
            calls.append("ask")
            if isinstance(info, Exception):
                raise info
            return SimpleNamespace(siblings=[sibling(name) for name in info])

        def download(hub_id, *, local_files_only, allow_patterns, ignore_patterns, **_):
            calls.append("cache" if local_files_only else "download")
            found = cached if local_files_only else fetched
            if isinstance(found, Exception):
                raise found
            if found is None:
                raise LocalEntryNotFoundError("not cached")
            return str(found)

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        return calls

    return prepare


FAULTS = [
    (refusal(GatedRepoError, 403), GatedModel, "hf auth login"),
    (refusal(GatedRepoError, 401), GatedModel, "does not give"),
    (refusal(HfHubHTTPError, 401), GatedModel, "does not give"),
    (refusal(HfHubHTTPError, 403), GatedModel, "does not give"),
    (refusal(RepositoryNotFoundError, 404), ModelNotFound, "has no org/name"),
    (refusal(RepositoryNotFoundError, 401), ModelNotFound, "that you may see"),
    (refusal(RevisionNotFoundError, 404), ModelNotFound, "at revision 'v9'"),
    (refusal(DisabledRepoError, 403), ModelNotFound, "has no org/name"),
    (refusal(HfHubHTTPError, 503), HubUnreachable, "not in the local cache"),
    (httpx2.ReadTimeout("timed out"), HubUnreachable, "timed out"),
    (httpx2.ConnectError("no route"), HubUnreachable, "no route"),
    (httpx2.RemoteProtocolError("peer closed connection"), HubUnreachable, "peer closed"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), HubUnreachable, "refused"),
    (OSError(errno.ENOSPC, "No space left on device"), ModelError, "cannot be written"),
]


@pytest.mark.parametrize(("fault", "error", "words"), FAULTS)
@pytest.mark.parametrize("when", ["asking", "downloading"])
def test_every_refusal_has_its_error(when, fault, error, words, answers):
    answers(info=fault) if when == "asking" else answers(fetched=fault)
    with pytest.raises(error, match=words) as caught:
        hub.snapshot("org/name", "v9")
    assert type(caught.value) is error
    assert caught.value.remedy


@pytest.mark.parametrize("fault", [fault for fault, *_ in FAULTS])
def test_what_is_cached_is_used_when_the_hub_refuses(fault, answers, tiny_llama):
    answers(info=fault, cached=tiny_llama)
    assert hub.snapshot("org/name", None).folder == tiny_llama


def test_a_cached_commit_is_used_without_asking(answers, tiny_llama):
    calls = answers(cached=tiny_llama)
    assert hub.snapshot("org/name", COMMIT).folder == tiny_llama
    assert calls == ["cache"]


def test_a_branch_is_asked_for_first(answers, tiny_llama, tmp_path):
    newer = tmp_path / "newer"
    shutil.copytree(tiny_llama, newer)
    calls = answers(fetched=newer, cached=tiny_llama)
    assert hub.snapshot("org/name", "main").folder == newer
    assert calls == ["ask", "download"]


def half(folder, tmp_path):
    """What a download that was cut off leaves in the cache: no weights."""
    left = tmp_path / "half"
    shutil.copytree(folder, left)
    (left / "model.safetensors").unlink()
    return left


def test_half_a_cached_model_counts_as_none(answers, tiny_llama, tmp_path):
    cached = half(tiny_llama, tmp_path)
    calls = answers(cached=cached, fetched=tiny_llama)
    assert hub.snapshot("org/name", COMMIT).folder == tiny_llama
    assert calls == ["cache", "ask", "download"]
    answers(cached=cached, info=httpx2.ConnectError("no route"))
    with pytest.raises(HubUnreachable, match="not in the local cache"):
        hub.snapshot("org/name", COMMIT)


def test_a_cache_without_one_shard_counts_as_none(answers, tiny_llama, tmp_path):
    cached = half(tiny_llama, tmp_path)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "gone.safetensors"}}
    (cached / "model.safetensors.index.json").write_text(json.dumps(index))
    (cached / "model-00001-of-00002.safetensors").write_bytes(b"")
    calls = answers(cached=cached, fetched=tiny_llama)
    assert hub.snapshot("org/name", COMMIT).folder == tiny_llama
    assert calls == ["cache", "ask", "download"]


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (("config.json", "pytorch_model.bin"), UnsafeCheckpoint, "no safetensors"),
        (("config.json", "consolidated.00.pth"), UnsafeCheckpoint, "no safetensors"),
        (("README.md", "small.Q4_0.gguf"), ModelNotFound, "download small.Q4_0.gguf"),
        (("README.md", "train.parquet"), ModelNotFound, "of a whole model"),
        (("config.json", "onnx/model.safetensors"), ModelNotFound, "of a whole model"),
    ],
)
def test_a_repository_without_safetensors_is_not_downloaded(names, error, words, answers):
    calls = answers(info=names)
    with pytest.raises(error, match=words):
        hub.snapshot("org/name", None)
    assert calls == ["ask"]


def test_a_name_the_hub_cannot_have():
    with pytest.raises(ModelNotFound, match="no name of a Hub repository"):
        hub.snapshot("-org/na--me", None)


def test_only_safe_files_of_one_format_are_wanted():
    for name in (
        "pytorch_model.bin",
        "model.pt",
        "weights.pkl",
        "modeling_x.py",
        "tokenization_x.py",
        "consolidated.safetensors",
        "original/params.json",
        "onnx/model.safetensors",
        "x.gguf",
    ):
        assert not hub._is_wanted(name), name
    for name in (
        "config.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer.model",
        "merges.txt",
        "chat_template.jinja",
    ):
        assert hub._is_wanted(name), name


def test_the_fraction_follows_the_bytes_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    blobs = tmp_path / "models--org--name" / "blobs"
    wanted = {"aa": 60, "bb": 40}
    assert hub._fraction("org/name", wanted) == 0.0
    blobs.mkdir(parents=True)
    (blobs / "aa").write_bytes(b"x" * 60)
    (blobs / "bb.incomplete").write_bytes(b"x" * 10)
    (blobs / "of-another-revision").write_bytes(b"x" * 500)
    assert hub._fraction("org/name", wanted) == pytest.approx(0.7)
    assert hub._fraction("org/name", {}) is None


ASK = """
from backend.errors import HubUnreachable
from backend.models.hub import snapshot
try:
    snapshot("org/name", None)
except HubUnreachable as fault:
    print("UNREACHABLE", fault.remedy)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "listening", [pytest.param(True, marks=pytest.mark.slow), False], ids=["silent", "closed"]
)
def test_a_hub_that_does_not_answer_is_noticed_within_seconds(listening, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        environment = {
            name: value for name, value in os.environ.items() if "proxy" not in name.lower()
        } | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
        }
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.startswith("UNREACHABLE connect, set HF_HOME")
    assert time.perf_counter() - start < 20
