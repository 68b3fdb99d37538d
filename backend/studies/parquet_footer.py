"""What a parquet file says of its own size, read before anything is unpacked.

pyarrow tells the same, but asked for a column's account it ends the whole process on some damaged
files, as a C++ exception gets through. So the few numbers are read here, from the footer, which is
a struct in Thrift's compact protocol (github.com/apache/parquet-format).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backend.studies.limits import MOST_COLUMNS, MOST_DEPTH, TooLarge

_MAGIC = b"PAR1"
_LENGTH = struct.Struct("<L")
# Values of the footer: some dozens a column and row group.
_MOST_VALUES = 1_000_000
# Elements of the schema: lists and objects take several a column.
_MOST_ELEMENTS = 8 * MOST_COLUMNS
_LONGEST_VARINT = 10
# Numbers of fields in parquet's structs.
_SCHEMA, _ROWS, _ROW_GROUPS = 2, 3, 4
_COLUMNS, _COLUMN_DATA = 1, 3
_ENCODINGS, _PATH, _VALUES, _UNCOMPRESSED = 2, 3, 5, 6
_TYPE = 1
_BYTE_ARRAY = 6
_DELTA_BYTE_ARRAY = 7


@dataclass(frozen=True)
class Footer:
    """A parquet file's account of itself.

    Attributes:
        rows: number of rows.
        columns: number of columns, those inside lists and objects each counted.
        values: number of values in all columns, those in lists each counted.
        uncompressed: bytes of all columns, decompressed and still encoded.
        texts: places of the columns of text or bytes.
        prefixed: names of columns in the encoding DELTA_BYTE_ARRAY.
    """

    rows: int
    columns: int
    values: int
    uncompressed: int
    texts: tuple[int, ...]
    prefixed: tuple[str, ...]


def read_footer(content: bytes) -> Footer:
    """The footer of a parquet file.

    Args:
        content: the whole file.

    Raises:
        ValueError: it is no parquet file, or its footer is damaged.
        TooLarge: it has too many columns or row groups to be listed.
    """
    length = len(content) - _LENGTH.size - len(_MAGIC)
    if length < len(_MAGIC) or not (content.startswith(_MAGIC) and content.endswith(_MAGIC)):
        raise ValueError("it does not begin and end with PAR1")
    start = length - int(_LENGTH.unpack_from(content, length)[0])
    if start < len(_MAGIC):
        raise ValueError("its footer is longer than the file")
    try:
        return _footer(_Reader(content[start:length]))
    except (LookupError, TypeError, struct.error, UnicodeError) as fault:
        raise ValueError("its footer is damaged") from fault


def _footer(reader: _Reader) -> Footer:
    fields: dict[int, Any] = {}
    for number, read in reader.fields(0):
        fields[number] = read()
        if number == _SCHEMA and len(fields[_SCHEMA]) > _MOST_ELEMENTS:
            what = f"The table has {len(fields[_SCHEMA]):,} columns, lists and objects."
            raise TooLarge(what, f"At most {MOST_COLUMNS:,} are read: leave columns out.")
    groups = fields.get(_ROW_GROUPS, [])
    chunks = [[column[_COLUMN_DATA] for column in group[_COLUMNS]] for group in groups]
    flat = [chunk for group in chunks for chunk in group]
    leaves = [element for element in fields[_SCHEMA] if _TYPE in element]
    return Footer(
        rows=_whole(fields[_ROWS]),
        columns=len(leaves),
        values=sum(_whole(chunk[_VALUES]) for chunk in flat),
        uncompressed=sum(_whole(chunk[_UNCOMPRESSED]) for chunk in flat),
        texts=tuple(i for i, leaf in enumerate(leaves) if leaf[_TYPE] == _BYTE_ARRAY),
        prefixed=tuple(
            b".".join(chunk[_PATH]).decode()
            for chunk in flat
            if _DELTA_BYTE_ARRAY in chunk[_ENCODINGS]
        ),
    )


def _whole(value: object) -> int:
    """A count, which a damaged file may give as anything."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("its footer holds a count that is none")
    return value


class _Reader:
    """Reads values of Thrift's compact protocol.

    Args:
        data: the bytes, from the first.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._count = 0

    def fields(self, depth: int) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Number of each field of a struct, and what reads its value, to be called at once."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            yield number, lambda kind=head & 15: self._value(kind, depth + 1)  # type: ignore[misc]

    def _value(self, kind: int, depth: int) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            what = "The table has too many columns and row groups."
            raise TooLarge(what, "Write it with fewer columns, in one row group.")
        if depth > MOST_DEPTH:
            raise ValueError("its footer is nested too deeply")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 11:
            return self._map(depth)
        if kind == 12:
            return {number: read() for number, read in self.fields(depth)}
        raise ValueError("its footer holds a value of an unknown type")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = self._varint() if head >> 4 == 15 else head >> 4
        return [self._element(head & 15, depth + 1) for _ in range(size)]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        size = self._varint()
        kinds = self._byte() if size else 0
        return [
            (self._element(kinds >> 4, depth + 1), self._element(kinds & 15, depth + 1))
            for _ in range(size)
        ]

    def _element(self, kind: int, depth: int) -> Any:
        """A value in a list or map, where a truth value takes a byte of its own."""
        return self._byte() == 1 if kind in (1, 2) else self._value(kind, depth)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("its footer ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = 0
        for place in range(_LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                return value
        raise ValueError("its footer holds a number that is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
