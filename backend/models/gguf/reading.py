"""GGUF files parsed once, where transformers parses them anew at each step.

Reading a vocabulary of 50,000 pieces takes seconds, and transformers does it for the tokenizer,
the config and the weights; it also lists the names of all tensors once for every module.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gguf
import numpy as np


class PlainReader(gguf.GGUFReader):  # type: ignore[misc]
    """gguf's reader over a plain array: every slice of a memory map costs several times as much."""

    data: Any

    def _get(self, *args: Any, **named: Any) -> Any:
        if type(self.data) is not np.ndarray:
            self.data = np.asarray(self.data)
        return super()._get(*args, **named)


@contextmanager
def parsed_once() -> Iterator[None]:
    """Within it, who asks gguf for the same file or the same names again gets what is there.

    transformers looks both up in the module of gguf when it needs them, so they are replaced
    there; whatever happens, they are put back.
    """
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    parsed = functools.cache(PlainReader)
    gguf.GGUFReader = lambda path: parsed(str(path))
    gguf.get_tensor_name_map = functools.cache(names)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, names
