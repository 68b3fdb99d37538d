"""What an Arrow stream says of itself before anything of it is unpacked.

A compressed buffer may unpack to any size, and pyarrow unpacks before it can be asked how large one
is. The message's own header (a flatbuffer, Apache Arrow's Message.fbs) says whether it is.
"""

from __future__ import annotations

import io
import struct

import pyarrow as pa

# Types of a header, and the places of the fields that are looked at in their tables.
_DICTIONARY, _BATCH = 2, 3
_HEADER_TYPE, _HEADER, _DICTIONARY_DATA, _COMPRESSION = 1, 2, 1, 3


def is_compressed(content: bytes) -> bool:
    """Whether any part of an Arrow stream is compressed.

    Args:
        content: of the stream.

    Raises:
        ArrowException, struct.error: it is damaged.
    """
    reader = pa.ipc.MessageReader.open_stream(io.BytesIO(content))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return False
        if _compressed(message.metadata.to_pybytes()):
            return True


def _compressed(header: bytes) -> bool:
    root = struct.unpack_from("<I", header)[0]
    kind_at = _field(header, root, _HEADER_TYPE)
    table_at = _field(header, root, _HEADER)
    if kind_at is None or table_at is None or header[kind_at] not in (_DICTIONARY, _BATCH):
        return False
    table = _target(header, table_at)
    if header[kind_at] == _DICTIONARY:
        data_at = _field(header, table, _DICTIONARY_DATA)
        if data_at is None:
            return False
        table = _target(header, data_at)
    return _field(header, table, _COMPRESSION) is not None


def _field(header: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table lies; None where it is left out."""
    layout = table - int(struct.unpack_from("<i", header, table)[0])
    place = 4 + 2 * number
    if struct.unpack_from("<H", header, layout)[0] <= place:
        return None
    offset = int(struct.unpack_from("<H", header, layout + place)[0])
    return table + offset if offset else None


def _target(header: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", header, at)[0])
