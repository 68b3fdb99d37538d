"""Which CPUs are said to multiply bfloat16."""

from __future__ import annotations

import pytest

from backend.models.cpu import is_of_intel, multiplies_bfloat16


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


@pytest.mark.parametrize(
    ("maker", "intel"), [("GenuineIntel", True), ("AuthenticAMD", False), (None, False)]
)
def test_who_made_the_cpu_is_told(tmp_path, maker, intel):
    line = "Features\t: asimd bf16" if maker is None else f"vendor_id\t: {maker}"
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n", "utf-8")
    assert is_of_intel(tmp_path / "cpuinfo") is intel
    assert not is_of_intel(tmp_path / "none")
