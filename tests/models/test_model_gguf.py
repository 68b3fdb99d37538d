"""A GGUF file converts to the model and tokenizer it was made from, or says why it cannot."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.errors import ModelError, NotEnoughMemory, UnsupportedArchitecture
from backend.models.gguf import convert
from backend.models.gguf.convert import PROVENANCE
from backend.models.gguf.header import read_header
from backend.models.load import load
from backend.models.resolve import resolve
from tests.support.tiny_models import DEPTH, WIDTH

HEADS, KEYS = 4, 2
TEXTS = ["Tell me plainly: are you safe tonight?", "café, naïve – at 3:30  12", "<|user|>\nNo."]
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers": "blk",
}


def quiet(*_):
    pass


def as_gguf(name, weight):
    """A tensor's name and layout in llama.cpp, which interleaves the halves of rotated heads."""
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    heads = HEADS if "attn_q." in name else KEYS if "attn_k." in name else 0
    if heads:
        rows, columns = weight.shape
        weight = weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2)
        weight = weight.reshape(rows, columns)
    return name, np.ascontiguousarray(weight)


def write_gguf(folder, path, *, architecture="llama", pre="gpt-2", add_bos=True, parts=0):
    """Write a model folder of the tiny Llama as a float32 GGUF file."""
    config = json.loads((folder / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(DEPTH)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    special = set(tokenizer.added_tokens_decoder)
    writer.add_token_types([3 if i in special else 1 for i in range(len(tokenizer))])
    merges = json.loads((folder / "tokenizer.json").read_text())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    if parts:
        writer.add_uint16("split.count", parts)
    for name, weight in load_file(folder / "model.safetensors").items():
        writer.add_tensor(*as_gguf(name, weight.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def converted(folder, tmp_path, settings, **values):
    path = write_gguf(folder, tmp_path / "tiny.gguf", **values)
    resolved = resolve(str(path), settings, quiet)
    return load(resolved, device="cpu", dtype="float32", need_chat_template=True)


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits


def test_the_conversion_is_the_model_it_was_made_from(tiny_llama, tmp_path, settings):
    original = load(resolve(str(tiny_llama), settings, quiet), need_chat_template=True)
    loaded = converted(tiny_llama, tmp_path, settings)
    assert loaded.resolved.source == "gguf"
    assert (loaded.depth, loaded.width, loaded.max_positions) == (DEPTH, WIDTH, 512)
    assert loaded.tokenizer.is_fast
    assert loaded.tokenizer.chat_template == original.tokenizer.chat_template
    assert loaded.tokenizer.special_tokens_map == original.tokenizer.special_tokens_map
    for text in TEXTS:
        encoded = loaded.tokenizer(text, return_offsets_mapping=True)
        wanted = original.tokenizer(text, return_offsets_mapping=True)
        assert encoded["input_ids"] == wanted["input_ids"]
        assert encoded["offset_mapping"] == wanted["offset_mapping"]
        ids = wanted["input_ids"]
        torch.testing.assert_close(logits(loaded.model, ids), logits(original.model, ids))


def test_saving_and_loading_again_changes_no_bit(tiny_llama, tmp_path, settings):
    loaded = converted(tiny_llama, tmp_path, settings)
    direct = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="tiny.gguf", dtype=torch.float32
    )
    for text in TEXTS:
        ids = loaded.tokenizer(text)["input_ids"]
        assert torch.equal(logits(loaded.model, ids), logits(direct, ids))


def test_several_processes_convert_once(tmp_path, settings, monkeypatch):
    path = tmp_path / "any.gguf"
    path.write_bytes(b"GGUF")
    conversions = []

    def slow(_gguf, _digest, draft):
        conversions.append(draft)
        time.sleep(0.3)
        (draft / "config.json").write_text("{}")

    monkeypatch.setattr(convert, "_convert", slow)
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(convert.convert_gguf, path, settings.models, quiet) for _ in range(4)]
    assert len({job.result() for job in made}) == len(conversions) == 1


def test_a_file_is_converted_once_and_says_where_it_came_from(tiny_llama, tmp_path, settings):
    path = write_gguf(tiny_llama, tmp_path / "tiny.gguf")
    stages = []
    first = resolve(str(path), settings, lambda stage, _: stages.append(stage))
    assert any("converting" in stage for stage in stages)
    stages.clear()
    moved = path.rename(tmp_path / "renamed.gguf")
    again = resolve(str(moved), settings, lambda stage, _: stages.append(stage))
    assert not any("converting" in stage for stage in stages)
    assert (again.folder, again.weights_hash) == (first.folder, first.weights_hash)
    provenance = json.loads((first.folder / PROVENANCE).read_text())
    assert provenance["source"] == "tiny.gguf"
    assert provenance["tokenizer_faithful"]
    assert len(provenance["sha256"]) == 64


@pytest.mark.parametrize("add_bos", [True, False])
def test_the_beginning_of_text_is_as_the_file_says(add_bos, tiny_llama, tmp_path, settings):
    loaded = converted(tiny_llama, tmp_path, settings, add_bos=add_bos)
    ids = loaded.tokenizer("Hello")["input_ids"]
    assert (ids[0] == loaded.tokenizer.bos_token_id) is add_bos


def test_llama3_files_without_a_flag_begin_a_text(tiny_llama, tmp_path, settings):
    loaded = converted(tiny_llama, tmp_path, settings, pre="llama-bpe", add_bos=None)
    ids = loaded.tokenizer("Hello")["input_ids"]
    assert ids[0] == loaded.tokenizer.bos_token_id
    assert loaded.tokenizer.backend_tokenizer.model.ignore_merges


def test_digits_are_cut_before_spaces_are_given_to_them(tiny_llama, tmp_path, settings):
    loaded = converted(tiny_llama, tmp_path, settings, pre="smollm", add_bos=False)
    cut = loaded.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a  31b")
    assert [piece for piece, _ in cut] == ["a", "ĠĠ", "3", "1", "b"]


@pytest.mark.parametrize("pre", ["rules-of-tomorrow", None])
def test_unknown_cutting_rules_are_told_and_recorded(pre, tiny_llama, tmp_path, settings, caplog):
    with caplog.at_level(logging.WARNING, logger="steerscope.models"):
        loaded = converted(tiny_llama, tmp_path, settings, pre=pre)
    assert f"rules named {pre!r}" in caplog.text
    provenance = json.loads((loaded.resolved.folder / PROVENANCE).read_text())
    assert provenance["tokenizer_faithful"] is False


def kept(settings):
    return [path for path in settings.models.iterdir() if path.is_dir()]


def test_an_architecture_that_transformers_does_not_read(tiny_llama, tmp_path, settings):
    path = write_gguf(tiny_llama, tmp_path / "tiny.gguf", architecture="wizard")
    with pytest.raises(UnsupportedArchitecture, match="'wizard'"):
        resolve(str(path), settings, quiet)
    assert kept(settings) == []


def test_one_part_of_a_split_model(tiny_llama, tmp_path, settings):
    path = write_gguf(tiny_llama, tmp_path / "tiny-00001-of-00003.gguf", parts=3)
    with pytest.raises(UnsupportedArchitecture, match="one of 3 parts"):
        resolve(str(path), settings, quiet)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short(share, tiny_llama, tmp_path, settings):
    path = write_gguf(tiny_llama, tmp_path / "tiny.gguf")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="cannot be read as a GGUF file"):
        resolve(str(path), settings, quiet)
    assert kept(settings) == []


def test_a_conversion_that_does_not_fit(tiny_llama, tmp_path, settings, monkeypatch):
    path = write_gguf(tiny_llama, tmp_path / "tiny.gguf")
    monkeypatch.setattr(convert, "free_bytes", lambda _device: 1000)
    with pytest.raises(NotEnoughMemory, match="GiB"):
        resolve(str(path), settings, quiet)
    monkeypatch.setattr(convert, "free_bytes", lambda _device: None)
    monkeypatch.setattr(
        convert.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1000})()
    )
    with pytest.raises(ModelError, match="on the disk"):
        resolve(str(path), settings, quiet)
    assert kept(settings) == []


def test_what_a_killed_conversion_left_is_removed(tiny_llama, tmp_path, settings):
    path = write_gguf(tiny_llama, tmp_path / "tiny.gguf")
    folder = resolve(str(path), settings, quiet).folder
    left = folder.with_name(f"{folder.name}.0123abcd.draft")
    folder.rename(left)
    assert resolve(str(path), settings, quiet).folder == folder
    assert not left.exists()


def test_the_header_counts_the_weights(tiny_llama, tmp_path):
    header = read_header(write_gguf(tiny_llama, tmp_path / "tiny.gguf"))
    weights = load_file(tiny_llama / "model.safetensors")
    assert header.parameters == sum(weight.numel() for weight in weights.values())
    assert (header.architecture, header.tokenizer, header.pre_tokenizer) == (
        "llama",
        "gpt2",
        "gpt-2",
    )
