"""Damaged, incomplete and unsuitable models are refused with what is wrong and what to do."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ByT5Tokenizer, LlamaConfig, LlamaModel

from backend.errors import (
    DeviceUnavailable,
    MissingChatTemplate,
    ModelError,
    ModelNotFound,
    SlowTokenizer,
    UnsupportedArchitecture,
)
from backend.models import memory
from backend.models.check import check_folder, check_memory, choose_device
from backend.models.files import weight_files, weights_hash
from backend.models.load import load
from backend.models.model_reference import ModelReference, parse_reference
from backend.models.resolve import resolve


def quiet(*_):
    pass


@pytest.fixture
def folder(tiny_llama, tmp_path):
    """A copy of the tiny Llama to damage."""
    copy = tmp_path / "model"
    shutil.copytree(tiny_llama, copy)
    return copy


def set_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def shard(folder):
    """Split the weights over two files with an index, as large models come."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: file for file, held in parts.items() for n in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_load_as_the_whole_does(tiny_llama, folder, settings):
    shard(folder)
    save_file({"x": torch.zeros(3)}, folder / "consolidated.safetensors")
    assert [path.name[:11] for path in weight_files(folder)] == ["model-00001", "model-00002"]
    whole = load(resolve(str(tiny_llama), settings, quiet), need_chat_template=True)
    parts = load(resolve(str(folder), settings, quiet), need_chat_template=True)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, parts.model.state_dict()[name])


def test_only_what_is_loaded_is_hashed(folder, settings):
    first = weights_hash(folder, settings.models)
    save_file({"x": torch.zeros(3)}, folder / "consolidated.safetensors")
    assert weights_hash(folder, settings.models) == first


def test_a_missing_shard_is_named(folder):
    shard(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelNotFound, match=r"lacks 1 of 2 weight files .model-00002-of-00002"):
        check_folder(folder)
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ModelError, match="is damaged"):
        check_folder(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.9])
def test_weights_cut_short(share, folder, settings):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    resolved = resolve(str(folder), settings, quiet)
    with pytest.raises(ModelError, match="is damaged"):
        load(resolved, device="cpu", need_chat_template=True)


def test_missing_weights_are_never_made_up(folder, settings):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of the weights .*layers\.1\.mlp\.up_proj"):
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)


def test_a_decoder_saved_without_its_head_loads(folder, settings):
    LlamaModel(LlamaConfig.from_pretrained(folder)).save_pretrained(folder)
    loaded = load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
    assert loaded.depth == 3


def test_a_config_of_another_shape(folder, settings):
    set_config(folder, intermediate_size=96)
    wanted = (
        r"disagree: model\.layers\.0\.mlp\.down_proj\.weight has the shape \[64, 128\] in its "
        r"files, and by its config\.json \[64, 96\]; 8 more differ\."
    )
    with pytest.raises(ModelError, match=wanted) as fault:
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
    assert "mend config.json" in fault.value.remedy and "report" not in str(fault.value)


def test_one_weight_of_another_shape(folder, settings):
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = "model.layers.1.mlp.down_proj.weight"
    weights[name] = weights[name][:, :10].contiguous()
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"shape \[64, 10\] in .* \[64, 128\]\. Expected"):
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        {"model_type": "bart", "is_encoder_decoder": True},
    ],
)
def test_a_model_that_is_no_decoder(values, folder):
    set_config(folder, **values)
    with pytest.raises(UnsupportedArchitecture, match="is no decoder"):
        check_folder(folder)


def test_native_code_is_used_where_a_repository_brings_its_own(folder, settings):
    set_config(folder, auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    (folder / "modeling_own.py").write_text("raise SystemExit('remote code was run')")
    loaded = load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
    assert type(loaded.model).__module__.startswith("transformers.models.llama")


def test_a_folder_of_gguf_files_points_to_the_file(folder):
    (folder / "config.json").unlink()
    (folder / "tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelNotFound, match=r"name the file .*tiny\.gguf itself"):
        check_folder(folder)


def test_a_tokenizer_cut_short(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:500])
    with pytest.raises(ModelNotFound, match=r"tokenizer\.json is not JSON"):
        check_folder(folder)


def test_a_tokenizer_without_offsets(folder, settings):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink(missing_ok=True)
    ByT5Tokenizer().save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(b"")
    with pytest.raises(SlowTokenizer, match="offsets"):
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=False)


def set_template(folder, template):
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ([{"name": "rag", "template": "x"}], r"templates for special uses only \(rag\)"),
        ([], "has no chat template"),
    ],
)
def test_templates_of_which_none_is_for_plain_chats(template, said, folder, settings):
    set_template(folder, template)
    resolved = resolve(str(folder), settings, quiet)
    with pytest.raises(MissingChatTemplate, match=said):
        load(resolved, device="cpu", need_chat_template=True)
    assert load(resolved, device="cpu", need_chat_template=False).chat_template_hash


@pytest.mark.parametrize("template", [5, True, ["x"], [{"name": "x"}]])
def test_what_is_no_chat_template(template, folder, settings):
    set_template(folder, template)
    with pytest.raises(ModelError):
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=False)


def test_the_tokenizer_pads_on_the_right_whatever_it_was_saved_with(folder, settings):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": "left"}))
    loaded = load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
    assert loaded.tokenizer.padding_side == "right"


def test_the_weights_hash_is_read_once(folder, settings, monkeypatch):
    first = weights_hash(folder, settings.models)
    monkeypatch.setattr("backend.models.files.sha256_of", lambda _path: pytest.fail("read again"))
    assert weights_hash(folder, settings.models) == first


@pytest.mark.parametrize("name", ["cuda:x", "cuda:", "cpu:0", "mps:1", "", "CUDA:99", "cuda:99"])
def test_devices_that_are_none(name):
    with pytest.raises(DeviceUnavailable, match="one of: cpu"):
        choose_device(name)


def test_the_memory_asked_for_is_that_of_the_weights(folder, monkeypatch):
    weights = load_file(folder / "model.safetensors").values()
    exact = 4 * sum(weight.numel() for weight in weights)
    monkeypatch.setattr("backend.models.check._free_bytes", lambda _device: exact)
    with pytest.raises(ModelError, match="GiB"):
        check_memory(folder, torch.float32, "cpu")
    check_memory(folder, torch.bfloat16, "cpu")


def test_a_container_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    machine = memory.free_bytes("cpu")
    assert machine > 2**20
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("9000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 8000\n")
    assert memory.free_bytes("cpu") > 2**20
    (tmp_path / "memory.max").write_text("10000\n")
    assert memory.free_bytes("cpu") == 10000 - 9000 + 8000
    assert memory.free_bytes("mps") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "{}", "@", "a@b", "x" * 5000, "org/name@", "a//b", "a/b/c", "https://hub/a/b"),
        *("~no-such-user/model", "./" + "y" * 400, "/" + "y" * 5000, "/dev/null", ".gguf"),
        *(
            "a/..",
            "..a/b",
            "a/b..c",
            "a/b--c",
            "-x/y",
            "a/-b",
            "a/b-",
            "a/.b",
            "\u00e9/\u00fc",
        ),
        *("a/b@../../c", "a/b@/c", "a/b@-c", "a/b@c d", "a/b@c<d"),
        *("org/<img src=x>", "a/%s", 'a/"b', "a`/b`", "a\nb", "a\0b", "org/a\u202eb", "\udcff/x"),
    ],
)
def test_odd_references_are_told_apart_from_bugs(text, settings):
    with pytest.raises(ModelNotFound) as refused:
        parse_reference(text, settings)
    assert len(refused.value.what) < 1000 and refused.value.remedy


@pytest.mark.parametrize("text", ["a/b", "Org-1/Name_2.5-x", "a/b@main", "a/b@refs/pr/1", "0a/b1"])
def test_ids_of_the_hub_are_taken(text, settings):
    name, _, revision = text.partition("@")
    assert parse_reference(text, settings) == ModelReference("hub", name, revision or None)


def test_a_gguf_file_with_a_capital_ending(tmp_path, settings):
    path = tmp_path / "X.GGUF"
    path.write_bytes(b"GGUF")
    assert parse_reference(str(path), settings).kind == "gguf"


def test_an_adapter_alone_is_to_be_merged_first(folder):
    adapter = folder / "adapter_config.json"
    adapter.write_text("{}")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(ModelNotFound, match="holds an adapter") as fault:
        check_folder(folder)
    assert "merge it first" in fault.value.remedy
    (folder / "config.json").unlink()
    with pytest.raises(ModelNotFound, match="holds an adapter"):
        check_folder(folder)


def test_an_adapter_left_behind_in_a_merged_folder_is_not_read(folder, settings):
    (folder / "adapter_config.json").write_text("{}")
    save_file({"x": torch.zeros(3)}, folder / "adapter_model.safetensors", {"format": "pt"})
    assert [path.name for path in weight_files(folder)] == ["model.safetensors"]
    loaded = load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
    assert loaded.depth == 3


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8"])
def test_quantised_weights_are_refused_by_name(method, folder):
    set_config(folder, quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(UnsupportedArchitecture, match=rf"is quantised \({method}\)") as fault:
        check_folder(folder)
    assert "unquantised" in fault.value.remedy


@pytest.mark.parametrize("depth", [10**9, 0, -1, "many"])
def test_an_impossible_depth_is_refused_and_not_built(depth, folder, settings):
    set_config(folder, num_hidden_layers=depth)
    with pytest.raises(ModelError):
        load(resolve(str(folder), settings, quiet), device="cpu", need_chat_template=True)
