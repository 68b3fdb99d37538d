"""Files of vectors are read by each tool's own numbering of layers, and refused where unclear."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from backend.errors import ImportFault
from backend.models import tensor_files
from backend.runs.vector_files import LAYER_NUMBERINGS, read_vector_file

TABLE = np.arange(1, 21, dtype=np.float64).reshape(5, 4)


def control_vector(path, rows, architecture="controlvector"):
    """Written with llama.cpp's library: N -> numbers."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(rows))
    for number, values in rows.items():
        writer.add_tensor(f"direction.{number}", np.array(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def only(file):
    (vector,) = file.vectors
    return vector


def test_persona_vectors_count_hidden_states_and_their_last_is_left_out(tmp_path):
    path = tmp_path / "evil_response_avg_diff.pt"
    torch.save(torch.from_numpy(TABLE).to(torch.bfloat16), path)
    file = read_vector_file(path)
    vector = only(file)
    assert (file.numbering, file.depth, vector.trait) == ("hidden-states", 4, "evil")
    assert vector.layers == (0, 1, 2, 3)
    assert np.array_equal(vector.vectors, TABLE[:4])
    assert any("Row 4 is left out" in note for note in file.notes)


def test_a_control_vector_counts_blocks_from_0_as_llama_cpp_adds_it(tmp_path):
    path = control_vector(tmp_path / "happy.gguf", {1: TABLE[0], 3: TABLE[1]})
    file = read_vector_file(path, trait="joy")
    assert (file.numbering, file.depth, file.model) == ("from-0", None, "llama")
    assert only(file).layers == (2, 4) and np.array_equal(only(file).vectors, TABLE[:2])
    # llama-cvector-generator names the output of block 1 of n, counted from 1, direction.1.
    assert any("llama-cvector-generator" in note for note in file.notes)
    generated = read_vector_file(path, trait="joy", numbering="from-1")
    assert only(generated).layers == (1, 3)
    assert "from-1 is used, as you say" in " ".join(generated.notes)


@pytest.mark.parametrize(
    ("numbering", "layers", "depth"),
    [
        ("from-1", (0, 1, 2, 3, 4), 4),
        ("from-0", (1, 2, 3, 4, 5), 5),
        ("hidden-states", (0, 1, 2, 3), 4),
    ],
)
def test_a_table_needs_its_numbering_said(tmp_path, numbering, layers, depth):
    path = tmp_path / "table.npz"
    np.savez(path, calm=TABLE)
    with pytest.raises(ImportFault, match="does not say how it numbers layers") as fault:
        read_vector_file(path, trait="calm")
    assert all(name in fault.value.expected for name in LAYER_NUMBERINGS)
    file = read_vector_file(path, trait="calm", numbering=numbering)
    assert (only(file).layers, file.depth) == (layers, depth)
    assert np.array_equal(only(file).vectors, TABLE[: len(layers)])


def test_named_layers_are_those_of_the_rows_in_the_files_numbering(tmp_path):
    path = tmp_path / "table.npz"
    np.savez(path, TABLE)
    file = read_vector_file(path, trait="calm", numbering="from-0", numbers=(8, 9, 10, 12, 13))
    assert only(file).layers == (9, 10, 11, 13, 14) and file.depth is None
    with pytest.raises(ImportFault, match="5 rows, and 2 layers"):
        read_vector_file(path, trait="calm", numbering="from-0", numbers=(8, 9))
    np.savez(tmp_path / "one.npz", vector=TABLE[0])
    with pytest.raises(ImportFault, match="its layer is not named"):
        read_vector_file(tmp_path / "one.npz", trait="calm", numbering="from-1")
    one = read_vector_file(tmp_path / "one.npz", trait="calm", numbering="from-1", numbers=(7,))
    assert only(one).layers == (7,)


def test_tensors_named_by_layer_are_one_vector_each(tmp_path):
    named = {"joy.layer_3": TABLE[0], "joy.layer_10": TABLE[1], "fear.layer_3": TABLE[2]}
    save_file(
        {name: row.astype(np.float32) for name, row in named.items()}, tmp_path / "a.safetensors"
    )
    file = read_vector_file(tmp_path / "a.safetensors", trait="mood", numbering="from-1")
    found = {vector.label: (vector.layers, vector.vectors) for vector in file.vectors}
    assert found["joy"][0] == (3, 10) and found["fear"][0] == (3,)
    assert np.array_equal(found["joy"][1], TABLE[:2])


def test_bfloat16_and_dicts_by_layer_are_read(tmp_path):
    save_torch({"layer_2": torch.tensor(TABLE[0]).to(torch.bfloat16)}, tmp_path / "b.safetensors")
    torch.save({2: torch.tensor(TABLE[0]), "model": "m"}, tmp_path / "b.pt")
    for name in ("b.safetensors", "b.pt"):
        file = read_vector_file(tmp_path / name, trait="calm", numbering="from-1")
        assert only(file).layers == (2,) and np.array_equal(only(file).vectors, TABLE[:1])
    assert file.model == "m"


def test_rows_without_a_direction_are_left_out_by_name(tmp_path):
    table = TABLE.copy()
    table[0], table[2] = 0, np.nan
    both = TABLE.copy()
    both[1:3] = np.nan
    np.savez(tmp_path / "both.npz", both)
    notes = read_vector_file(tmp_path / "both.npz", trait="calm", numbering="from-1").notes
    assert "Layers 1, 2 of arr_0 are left out: every value is not a number." in notes
    np.savez(tmp_path / "t.npz", table)
    file = read_vector_file(tmp_path / "t.npz", trait="calm", numbering="from-1")
    assert only(file).layers == (1, 3, 4)
    said = " ".join(file.notes)
    assert "Layer 0 of arr_0 is left out: every value is zero" in said
    assert "Layer 2 of arr_0 is left out: every value is not a number" in said


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


def damaged(folder):
    """File -> what is said of it."""
    half = TABLE.copy()
    half[1, 1] = np.inf
    np.savez(folder / "inf.npz", half)
    np.savez(folder / "ints.npz", np.arange(6).reshape(2, 3))
    np.savez(folder / "cube.npz", np.zeros((2, 2, 2)) + 1)
    np.savez(folder / "widths.npz", layer_1=TABLE[0], layer_2=TABLE[1, :3])
    np.savez(folder / "object.npz", np.array([Evil()], dtype=object))
    np.savez(folder / "zero.npz", np.zeros((2, 3)))
    torch.save([Evil()], folder / "evil.pt")
    torch.save(torch.ones(1).expand(40_000_000), folder / "wide.pt")
    control_vector(folder / "model.gguf", {1: TABLE[0]}, "llama")
    for name in ("junk.npz", "junk.pt", "junk.gguf", "junk.safetensors"):
        (folder / name).write_bytes(b"GGUF" + b"\xff" * 200)
    (folder / "vector.bin").write_bytes(b"x")
    return {
        "inf.npz": "not finite",
        "ints.npz": "int64 instead of floating point",
        "cube.npz": "3 dimensions",
        "widths.npz": "3, 4 numbers",
        "object.npz": "cannot be read",
        "zero.npz": "zero or not a number",
        "evil.pt": "cannot be read",
        "wide.pt": "40,000,000 numbers",
        "model.gguf": "'controlvector'",
        "junk.npz": "cannot be read",
        "junk.pt": "cannot be read",
        "junk.gguf": "cannot be read",
        "junk.safetensors": "cannot be read",
        "vector.bin": "no format that can be read",
        "absent.npz": "no file",
    }


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path, capsys, monkeypatch):
    for name, said in damaged(tmp_path).items():
        with pytest.raises(ImportFault) as fault:
            read_vector_file(tmp_path / name, trait="calm", numbering="from-1")
        assert said in fault.value.what, name
        assert fault.value.expected and fault.value.remedy
        again = name != "ints.npz"  # another copy of whole numbers would be the same
        assert again or fault.value.remedy == "save its tensors as float32."
        assert "weights_only" not in fault.value.what  # torch advises to run what is in the file
    assert "ran" not in capsys.readouterr().out
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((3000, 3000)))
    monkeypatch.setattr(tensor_files.read_tensors, "__defaults__", (2**20,))
    with pytest.raises(ImportFault, match="takes 69 MiB"):
        read_vector_file(tmp_path / "bomb.npz", trait="calm", numbering="from-1")
