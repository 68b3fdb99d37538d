"""Values with arrays arrive as they were sent."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import numpy as np
import pyarrow as pa
import pytest

from backend.runs.array_channel import receive_value, send_value


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    both = Connection(here.detach()), Connection(there.detach())
    yield both
    for end in both:
        end.close()


def sent(ends, *values):
    """What arrives of some values, sent one after the other."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: [send_value(ends[0], value) for value in values])
        found = [receive_value(ends[1]) for _ in values]
        sending.result()
    return found


def test_arrays_of_any_size_and_kind_arrive_aligned_and_can_be_changed(ends):
    rng = np.random.default_rng(0)
    numpy = [
        rng.normal(size=3).astype(np.float32),
        rng.normal(size=(1000, 301)),
        np.arange(7, dtype=np.int8),
        np.zeros((0, 4)),
        rng.normal(size=5),
    ]
    arrow = [pa.array([1.5, None]), pa.array(["a", "bc"]), pa.array([[1.0], []]), pa.array([True])]
    (found,) = sent(ends, {"numpy": numpy, "arrow": arrow, "rest": ("x", None, 3)})
    for array, one in zip(numpy, found["numpy"], strict=True):
        assert one.flags.aligned and one.dtype == array.dtype
        np.testing.assert_array_equal(one, array)
    assert all(array.equals(one) for array, one in zip(arrow, found["arrow"], strict=True))
    assert found["rest"] == ("x", None, 3)
    found["numpy"][1][0, 0] = 9.0
    assert numpy[1][0, 0] != 9.0


def test_values_come_in_order_with_or_without_arrays(ends):
    found = sent(ends, None, np.ones(2), "text", [np.zeros(1), 5])
    assert found[0] is None and found[2] == "text"
    assert found[1].tolist() == [1.0, 1.0] and found[3][1] == 5


def test_an_end_that_is_gone_is_told(ends):
    ends[0].send((b"", [8]))  # and ends before the handle
    ends[0].close()
    with pytest.raises(EOFError):
        receive_value(ends[1])
    with pytest.raises((EOFError, OSError)):
        receive_value(ends[1])
    with pytest.raises(OSError):
        send_value(ends[1], np.ones(3))
