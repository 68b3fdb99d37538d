"""Which CPUs are said to multiply bfloat16."""

from __future__ import annotations

import pytest

from backend.models.cpu import multiplies_bfloat16


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 vaes\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags : fpu avx2 fma\nmodel name : bf16 in a name\n", False),
        ("flags : avx512f bf16_of_something\n", False),
        ("", False),
    ],
)
def test_the_kernel_says_so(tmp_path, text, there):
    (tmp_path / "cpuinfo").write_text(text)
    assert multiplies_bfloat16(tmp_path / "cpuinfo") is there


def test_where_nothing_says_so_it_is_not_offered(tmp_path):
    assert not multiplies_bfloat16(tmp_path / "none")
