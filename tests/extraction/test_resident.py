"""Weights that are a view of their file are let go of, and nothing else is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.extraction.resident import FileViews, passing_through

SMAPS = Path("/proc/self/smaps")
# Some containers list no pages of their own, and then nothing is let go of.
KNOWN = sys.platform == "linux" and SMAPS.exists() and "Anonymous:" in SMAPS.read_text()
pytestmark = pytest.mark.skipif(not KNOWN, reason="the system does not say what it holds")
COUNT = 2**20


@pytest.fixture
def values() -> torch.Tensor:
    return torch.randn(COUNT, generator=torch.Generator().manual_seed(0))


def view_of(path: Path, values: torch.Tensor) -> torch.Tensor:
    """A private view of a file with these values, as safetensors gives."""
    values.numpy().tofile(path)
    storage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=4 * len(values))
    return torch.tensor([], dtype=torch.float32).set_(storage)


def resident(path: Path) -> int:
    """KiB of a file that this process holds in memory."""
    sizes, here = 0, False
    for line in SMAPS.read_text().splitlines():
        if not line.split()[0].endswith(":"):
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            sizes += int(line.split()[1])
    return sizes


def test_a_view_of_a_file_is_let_go_and_reads_as_before(tmp_path, values):
    path = tmp_path / "weights"
    view = view_of(path, values)
    assert torch.equal(view, values)
    assert resident(path) >= 4 * COUNT // 1024
    assert FileViews().let_go(view)
    assert resident(path) < 100
    assert torch.equal(view, values)


def test_a_view_that_was_written_to_keeps_what_was_written(tmp_path, values):
    view = view_of(tmp_path / "weights", values)
    view[7] = 42.0
    assert not FileViews().let_go(view)
    assert view[7] == 42.0


@pytest.mark.parametrize("change", ["copy", "every other", "small", "sparse"])
def test_what_is_no_whole_view_is_left_alone(tmp_path, values, change):
    view = view_of(tmp_path / "weights", values)
    given = {
        "copy": view.clone(),
        "every other": view[::2],
        "small": view[:10],
        "sparse": view[:4].to_sparse(),
    }[change]
    assert not FileViews().let_go(given)


def test_modules_are_let_go_once_they_ran(tmp_path, values):
    path = tmp_path / "weights"
    linear = torch.nn.Linear(1024, 1024, bias=False)
    linear.weight.data = view_of(path, values).view(1024, 1024)
    given = torch.ones(1, 1024)
    with torch.inference_mode():
        wanted = given.double() @ values.view(1024, 1024).double().T
        with passing_through([linear]):
            found = linear(given)
            assert resident(path) < 100
        assert torch.equal(linear(given), found)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)
    assert resident(path) >= 4 * COUNT // 1024
