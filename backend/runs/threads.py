"""Independent work side by side: one thread of Python and of BLAS for each.

Products of small matrices gain little from threads inside them, and threads of several products
at a time wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _blas() -> ThreadpoolController:
    """The loaded libraries of linear algebra. Looking for them takes as long as a small layer."""
    return ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """How many threads BLAS uses for one product."""
    return max((int(library["num_threads"]) for library in _blas().info()), default=1)


def one_thread() -> AbstractContextManager[object]:
    """Within it, a product uses one thread of BLAS."""
    limited: AbstractContextManager[object] = _blas().limit(limits=1)
    return limited


@contextmanager
def side_by_side() -> Iterator[Executor]:
    """As many threads as BLAS would use for one product, each of whose products uses one."""
    threads = blas_threads()
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        yield pool
